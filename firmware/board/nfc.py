"""The card reader chip on its pins, by the line that it is wired and switched to."""

from machine import Pin
from micropython import const

from firmware.board import pins

_BAUD = const(115_200)
# The longest frame, an acknowledge before it, and room: nobody may look for a while.
_RX_BUFFER_BYTES = const(512)
_SPI_HZ = const(1_000_000)


def open_reader(line: str, interrupts) -> tuple:
    """Returns what a pn532.Pn532 is made of; it is in reset until its `start`.

    `line` is "uart" or "spi"; `interrupts`: a bell.Interrupts.
    """
    # Only one of the two is loaded: each takes its share of the heap.
    link = _hsu() if line == "uart" else _spi(interrupts)
    return link, Pin(pins.NFC_RESET, Pin.OUT, value=0)


def _hsu():
    from machine import UART
    from pn532_hsu import Hsu

    return Hsu(UART(pins.NFC_UART, _BAUD, tx=pins.NFC_TX, rx=pins.NFC_RX, rxbuf=_RX_BUFFER_BYTES))


def _spi(interrupts):
    from machine import SPI
    from pn532_spi import Spi

    spi = SPI(
        pins.NFC_SPI,
        _SPI_HZ,
        firstbit=SPI.LSB,
        sck=Pin(pins.NFC_CLOCK),
        mosi=Pin(pins.NFC_MOSI),
        miso=Pin(pins.NFC_MISO),
    )
    return Spi(spi, Pin(pins.NFC_SELECT, Pin.OUT, value=1), Pin(pins.NFC_IRQ, Pin.IN), interrupts)
