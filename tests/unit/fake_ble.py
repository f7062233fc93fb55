"""A radio with places for phones, without any radio: what the lock sends is kept, what phones write is put in."""

from bell import Bell


class FakeLink:
    def __init__(self, mtu: int = 23) -> None:
        self.changed = Bell()
        self.chunks = []
        self.handle = None
        self.is_gone = self.is_served = False
        self.mtu = mtu
        self.arrived = 0

    def write(self, *chunks: bytes) -> None:
        """The phone writes."""
        self.chunks += chunks
        self.changed.ring()

    def go(self) -> None:
        """The phone is gone."""
        self.is_gone = True
        self.handle = -1
        self.changed.ring()


class FakeBle:
    """`sent` has (place, chunk); `is_full` says how often there is no room for one. `fails` makes the radio fail.

    With `is_slow` a phone does not acknowledge that the lock hangs up.
    """

    def __init__(self, places: int = 3) -> None:
        self.links = [FakeLink() for _ in range(places)]
        self.changed = Bell()
        self.error = None
        self.is_on = False
        self.sent = []
        self.advertised = []
        self.starts = self.is_full = 0
        self.fails = self.is_slow = False

    def start(self) -> None:
        self.starts += 1
        if self.fails:
            raise OSError(5)
        self.is_on = True

    def stop(self) -> None:
        self.is_on = False

    def advertise(self, data) -> None:
        if self.fails:
            raise OSError(5)
        self.advertised.append(data)

    def connect(self, at: int) -> FakeLink:
        link = self.links[at]
        link.handle = at
        link.is_gone = False
        self.changed.ring()
        return link

    def take(self, link):
        return link.chunks.pop(0) if link.chunks else None

    def send(self, link, chunk: bytes) -> bool:
        if self.is_full:
            self.is_full -= 1
            return False
        if not link.is_gone:
            self.sent.append((self.links.index(link), chunk))
        return True

    def hang_up(self, link) -> None:
        if self.is_slow:
            link.is_gone = True
        else:
            link.go()

    def free(self, link) -> None:
        link.is_served = False
        link.chunks.clear()
        link.handle = None
