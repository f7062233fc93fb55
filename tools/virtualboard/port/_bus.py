"""machine.SPI and machine.I2C: every transfer is one request to whatever chip is wired on the host."""

import _frames
import _virtual
from micropython import const

_ENODEV = const(19)


class SPI:
    MSB = 0
    LSB = 1

    def __init__(self, id: int = 1, baudrate: int = 500000, **options) -> None:
        self._id = id
        self._firstbit = 0
        self.init(baudrate, **options)

    def init(self, baudrate: int = 500000, firstbit: int = -1, **options) -> None:
        if firstbit >= 0:
            self._firstbit = firstbit

    def deinit(self) -> None:
        pass

    def _transfer(self, data) -> bytes:
        _virtual.clock(1)
        _virtual.ask(_frames.SPI, self._id, self._firstbit, data)
        return bytes(_virtual.payload)

    def write(self, data) -> None:
        self._transfer(data)

    def read(self, size: int, write: int = 0) -> bytes:
        return self._transfer(bytes([write]) * size)

    def readinto(self, buf, write: int = 0) -> None:
        buf[:] = self.read(len(buf), write)

    def write_readinto(self, data, buf) -> None:
        if len(data) != len(buf):
            raise ValueError("buffers must be the same length")
        buf[:] = self._transfer(data)


class I2C:
    def __init__(self, id: int = 0, **options) -> None:
        self._id = id

    def _transfer(self, address: int, data, size: int = 0):
        """Writes `data`, then reads `size` bytes; without the stop between them if there are both."""
        _virtual.clock(1)
        _virtual.ask(_frames.I2C, self._id, address | size << 8, data)
        received = _virtual.payload
        if _virtual.arg:
            raise OSError(_ENODEV)
        return bytes(received or b"")

    def scan(self) -> list:
        found = []
        for address in range(8, 0x78):
            try:
                self._transfer(address, b"")
            except OSError:
                continue
            found.append(address)
        return found

    def writeto(self, addr: int, buf, stop: bool = True) -> int:
        self._transfer(addr, buf)
        return len(buf)

    def writevto(self, addr: int, vector, stop: bool = True) -> int:
        return self.writeto(addr, b"".join([bytes(part) for part in vector]))

    def readfrom(self, addr: int, nbytes: int, stop: bool = True) -> bytes:
        return self._transfer(addr, b"", nbytes)

    def readfrom_into(self, addr: int, buf, stop: bool = True) -> None:
        buf[:] = self._transfer(addr, b"", len(buf))

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        return self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big"), nbytes)

    def readfrom_mem_into(self, addr: int, memaddr: int, buf, *, addrsize: int = 8) -> None:
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf), addrsize=addrsize)

    def writeto_mem(self, addr: int, memaddr: int, buf, *, addrsize: int = 8) -> None:
        self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))


class SoftSPI(SPI):
    def __init__(self, baudrate: int = 500000, **options) -> None:
        self._id = 255
        self._firstbit = 0


class SoftI2C(I2C):
    def __init__(self, scl, sda, **options) -> None:
        self._id = 255
