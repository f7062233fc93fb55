"""The camera's task in a heap that has no room left: the picture is given up, and the task goes on."""

import asyncio

from virtual_time import clock

from firmware.core import event
from firmware.core.uptime import Uptime
from firmware.task.photographer import Photographer


class Camera:
    """`starts` counts; the first read-out finds no memory."""

    starts = 0
    fails = True

    async def start(self):
        self.starts += 1

    async def freeze(self):
        return 1_000

    async def resume(self):
        pass

    async def read(self, offset, piece):
        if self.fails:
            self.fails = False
            raise MemoryError
        picture = b"\xff\xd8\xff\xda\x00\x02" + bytes(992) + b"\xff\xd9"
        piece[:] = picture[offset : offset + len(piece)]


class Photos:
    max_bytes = 20_000
    torn = ()
    given_up = 0
    written = b""

    def prepare(self):
        pass

    def begin(self, length):
        self.written = b""
        return 5

    def write(self, piece):
        self.written += piece

    def digest(self):
        return bytes(32)

    def finish(self, digest, seq):
        pass

    def abandon(self):
        self.given_up += 1


class Trail:
    def __init__(self):
        self.events = []

    def record(self, kind, details):
        self.events.append((kind, details))
        return len(self.events)


def test_no_memory_costs_the_picture():
    camera, photos, trail = Camera(), Photos(), Trail()
    photographer = Photographer(camera, photos, False, trail, Uptime(clock.ticks_ms, clock.ticks_diff))

    async def play():
        task = asyncio.create_task(photographer.run())
        for _ in range(2):
            while not photographer.is_ready:
                await asyncio.sleep_ms(1)
            assert await photographer.shoot(True) == 5
            await asyncio.sleep_ms(50)
            assert not task.done()
        task.cancel()

    asyncio.run(play())
    assert trail.events[0] == (event.CAMERA_FAILED, {event.REASON: event.BAD_PICTURE, event.PICTURE_NUMBER: 5})
    assert [kind for kind, _ in trail.events] == [event.CAMERA_FAILED, event.PICTURE]
    assert photos.given_up == 1 and camera.starts == 2 and len(photos.written) == 1_000


def test_a_frame_that_is_held_goes_first_where_a_picture_is_required():
    """Of two at the door neither is turned away because the other one's picture waits."""
    camera, photos, trail = Camera(), Photos(), Trail()
    camera.fails = False
    photographer = Photographer(camera, photos, True, trail, Uptime(clock.ticks_ms, clock.ticks_diff))

    async def play():
        task = asyncio.create_task(photographer.run())
        while not photographer.is_ready:
            await asyncio.sleep_ms(1)
        photographer.hold(True)
        assert await photographer.shoot(False) == 5
        assert await photographer.shoot(True) == 5
        photographer.hold(False)
        await asyncio.sleep_ms(50)
        assert not task.done()
        task.cancel()

    asyncio.run(play())
    assert [kind for kind, _ in trail.events] == [event.PICTURE, event.PICTURE]
