"""A serial line whose other end follows a script: what must be written, and what comes back."""


class ScriptedUart:
    """`script` holds (request, reply) pairs; each write must be the next request, byte for byte.

    A reply is bytes, or a list of bytes that arrive one look at the line apart. What is in `waiting` is there before
    anything is asked.
    """

    def __init__(self, script, waiting: bytes = b"") -> None:
        self.script = list(script)
        self.speeds = []
        self._arriving = [waiting] if waiting else []

    def init(self, baudrate: int) -> None:
        self.speeds.append(baudrate)

    def write(self, buffer) -> int:
        assert self.script, b"nothing more was expected than " + bytes(buffer)
        request, reply = self.script.pop(0)
        assert bytes(buffer) == request, (bytes(buffer), request)
        self._arriving += [reply] if isinstance(reply, bytes) else reply
        return len(buffer)

    def any(self) -> int:
        if self._arriving and not self._arriving[0]:
            # A pause: nothing at this look, the rest at a later one.
            self._arriving.pop(0)
            return 0
        return len(self._arriving[0]) if self._arriving else 0

    def readinto(self, buffer):
        if not self._arriving or not self._arriving[0]:
            return None
        taken = self._arriving[0][: len(buffer)]
        buffer[: len(taken)] = taken
        self._arriving[0] = self._arriving[0][len(taken) :]
        if not self._arriving[0]:
            self._arriving.pop(0)
        return len(taken)

    def assert_done(self) -> None:
        assert not self.script, self.script
        assert not self._arriving, self._arriving
