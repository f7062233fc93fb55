"""SPI and I2C: a transfer goes to whatever chip is wired there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from virtualboard.pins import Pins


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def reverse_bits(data: bytes) -> bytes:
    """Returns the bytes with the bits of each in the other order."""
    return data.translate(_REVERSED)


class SpiChip(Protocol):
    """A chip on an SPI bus, selected while its pin is low. The first bit on the wire is the highest of a byte."""

    def transfer(self, data: bytes) -> bytes:
        """Returns as many bytes as it is sent."""
        ...


class I2cChip(Protocol):
    """A chip on an I2C bus."""

    def transfer(self, data: bytes, size: int) -> bytes:
        """Takes `data`, then returns `size` bytes; both may be nothing."""
        ...


class Buses:
    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._spi: list[tuple[int, int, SpiChip]] = []
        self._i2c: dict[tuple[int, int], I2cChip] = {}

    def wire_spi(self, bus: int, select: int, chip: SpiChip) -> None:
        self._spi.append((bus, select, chip))

    def wire_i2c(self, bus: int, address: int, chip: I2cChip) -> None:
        self._i2c[bus, address] = chip

    def spi(self, bus: int, data: bytes, is_lowest_first: bool = False) -> bytes:
        """Returns what the selected chip answers; nobody there reads as 0xFF."""
        for number, select, chip in self._spi:
            if number == bus and not self._pins.level(select):
                if is_lowest_first:
                    return reverse_bits(chip.transfer(reverse_bits(data)))
                return chip.transfer(data)
        return b"\xff" * len(data)

    def i2c(self, bus: int, address: int, data: bytes, size: int) -> bytes | None:
        """Returns the bytes read, None if no chip has that address."""
        chip = self._i2c.get((bus, address))
        return None if chip is None else chip.transfer(data, size)
