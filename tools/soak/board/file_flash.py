"""A partition in a file, under NOR rules: programs clear bits, only an erase sets them."""

SECTOR_BYTES = 4096
# A kill may come between two of these: what is left is a record half programmed, a sector half erased.
_PROGRAMMED_BYTES = 32
_ERASED_BYTES = 512
_COUNT = 4
_SIZE = 5
_ERASE = 6


class FileFlash:
    """MicroPython's extended block protocol on `path`, which is made if it is not there. Unbuffered."""

    def __init__(self, path: str, sectors: int) -> None:
        self._sectors = sectors
        try:
            self._file = open(path, "r+b")
        except OSError:
            with open(path, "wb") as file:
                for _ in range(sectors):
                    file.write(b"\xff" * SECTOR_BYTES)
            self._file = open(path, "r+b")

    def readblocks(self, block: int, buffer, offset: int = 0) -> None:
        self._file.seek(block * SECTOR_BYTES + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block: int, buffer, offset: int = 0) -> None:
        at = block * SECTOR_BYTES + offset
        old = bytearray(_PROGRAMMED_BYTES)
        for start in range(0, len(buffer), _PROGRAMMED_BYTES):
            new = bytearray(buffer[start : start + _PROGRAMMED_BYTES])
            self._file.seek(at + start)
            self._file.readinto(memoryview(old)[: len(new)])
            for index in range(len(new)):
                new[index] &= old[index]
            self._file.seek(at + start)
            self._file.write(new)

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == _COUNT:
            return self._sectors
        if operation == _SIZE:
            return SECTOR_BYTES
        if operation == _ERASE:
            self._file.seek(argument * SECTOR_BYTES)
            for _ in range(0, SECTOR_BYTES, _ERASED_BYTES):
                self._file.write(b"\xff" * _ERASED_BYTES)
        return 0
