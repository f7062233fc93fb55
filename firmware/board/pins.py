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
# The card reader chip by UART: seen from here.
NFC_TX = 5
NFC_RX = 35
# Low is reset.
NFC_RESET = 15
# The same by SPI; select and data to us are where TX and RX would be.
NFC_SELECT = 5
NFC_CLOCK = 2
NFC_MOSI = 0
NFC_MISO = 35
NFC_IRQ = 34
# A Wiegand keypad comes in place of the matrix, on two of its columns.
WIEGAND = (21, 22)
