"""GPIO numbers of the reference wiring on an ESP32-DevKitC. README's wiring table says the same for people."""

KEYPAD_ROWS = (16, 17, 18, 19)
KEYPAD_COLUMNS = (21, 22, 23)
CAMERA_TX = 25
CAMERA_RX = 33
CAMERA_POWER = 32
# Also in boot.py, which rests it before it can read any other file.
STRIKE = 26
DOOR_CONTACT = 27
EXIT_BUTTON = 14
LED = 13
BUZZER = 4
