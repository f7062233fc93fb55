"""Kinds of frames. The same table, with the meaning of their fields, is in tools/virtualboard/link.py."""

# What the board says.
HELLO = 0
WAIT = 1
READ = 2
PIN_MODE = 3
PIN_SET = 4
PIN_IRQ = 5
UART_INIT = 6
UART_SEND = 7
UART_READ = 8
SPI = 9
I2C = 10
FLASH_TABLE = 11
FLASH_PROGRAM = 12
FLASH_ERASE = 13
RMT_OPEN = 14
RMT_PLAY = 15
RMT_STOP = 16
WDT = 17
RTC = 18
RESET = 19
REPL = 20
HOLD = 21
LINE_READ = 22
LINE_WRITE = 23
LINE_INTERRUPT = 24
BLE = 25
IDF_HEAP = 26
