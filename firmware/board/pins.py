"""GPIO numbers of the board esp32-devkitc, and what it has no pins for: `lobbylock boards --write`."""

BOARD = "esp32-devkitc"
CHIP = "esp32"
# Also in boot.py, which rests it before it can read any other file.
STRIKE = 26
# The level that releases.
STRIKE_ON = 1
DOOR_CONTACT = 27
EXIT_BUTTON = 14
LED = 13
BUZZER = 4
KEYPAD_ROWS = (16, 17, 18, 19)
KEYPAD_COLUMNS = (21, 22, 23)
WIEGAND = (21, 22)
CAMERA_TX = 25
CAMERA_RX = 34
CAMERA_POWER = 32
NFC_TX = 33
NFC_RX = 35
NFC_SELECT = 5
NFC_CLOCK = 2
NFC_MOSI = 33
NFC_MISO = 35
NFC_IRQ = 39
NFC_RESET = 15
CAMERA_UART = 1
NFC_UART = 2
NFC_SPI = 1
# What the settings may ask for.
OFFERS = {"nfc": ("uart", "spi"), "keypad": ("matrix", "wiegand"), "camera": True, "ble": True}
