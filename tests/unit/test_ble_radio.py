"""The places of the Bluetooth radio, over a stack that says what a test has it say."""

import sys

from bell import Interrupts

CONNECTED = 1
DISCONNECTED = 2
WRITTEN = 3
HEAPS = [(100_000, 60_000, 30_000, 8_000)]


class Stack:
    """Stands in for bluetooth.BLE. `written` is what a phone wrote last; `hung_up` are handles."""

    def __init__(self):
        self.hung_up = []
        self.advertised = 0
        self.written = b""
        self.fails = False

    def active(self, is_on):
        if self.fails:
            raise OSError(5)

    def config(self, **values):
        pass

    def irq(self, handler):
        self.tell = handler

    def gatts_register_services(self, services):
        return ((16, 18),)

    def gatts_set_buffer(self, handle, size):
        pass

    def gap_advertise(self, interval_us, data):
        self.advertised += 1

    def gatts_notify(self, handle, value, chunk):
        if self.fails:
            raise OSError(128)

    def gap_disconnect(self, handle):
        self.hung_up.append(handle)

    def gatts_read(self, handle):
        return self.written


class Module:
    pass


class Scene:
    def __init__(self):
        bluetooth, esp32 = Module(), Module()
        bluetooth.BLE, bluetooth.UUID = Stack, str
        esp32.HEAP_DATA, esp32.idf_heap_info = 4, lambda kind: HEAPS
        sys.modules["bluetooth"], sys.modules["esp32"] = bluetooth, esp32
        from firmware.board.ble import Ble

        self.ble = Ble()
        self.ble.start()
        self.ble.listen(Interrupts())
        self.stack = self.ble._ble

    def heard(self):
        """Returns whether somebody came or went since the last time."""
        bell = self.ble.changed
        was_rung, bell.is_rung = bell.is_rung, False
        return was_rung


def test_a_place_is_taken_until_the_connection_is_over():
    scene = Scene()
    stack, links = scene.stack, scene.ble.links
    for handle in (0, 1, 2):
        stack.tell(CONNECTED, (handle, 0, bytes(6)))
        assert links[handle].handle == handle and scene.heard()
    scene.ble.hang_up(links[1])
    assert stack.hung_up == [1] and links[1].is_gone and links[1].handle == 1
    # What it still says is not kept.
    stack.written = b"late"
    stack.tell(WRITTEN, (1, 16))
    assert scene.ble.take(links[1]) is None and not scene.heard()
    stack.tell(DISCONNECTED, (1, 0, bytes(6)))
    assert links[1].handle < 0 and scene.heard()
    # Its number may be given again, before the place is.
    stack.tell(CONNECTED, (1, 0, bytes(6)))
    assert stack.hung_up == [1, 1] and links[1].handle < 0
    scene.ble.free(links[1])
    stack.tell(CONNECTED, (1, 0, bytes(6)))
    assert links[1].handle == 1 and not links[1].is_gone


def test_a_handle_that_comes_anew_ends_the_old_place():
    scene = Scene()
    stack, links = scene.stack, scene.ble.links
    for handle in (1, 2):
        stack.tell(CONNECTED, (handle, 0, bytes(6)))
    scene.ble.hang_up(links[1])
    # No word of the end.
    stack.tell(CONNECTED, (2, 0, bytes(6)))
    assert links[1].handle < 0 and links[1].is_gone and links[2].handle == 2
    stack.written = b"hello"
    stack.tell(WRITTEN, (2, 16))
    assert scene.ble.take(links[2]) == b"hello" and links[0].handle == 1


def test_a_connection_that_never_came_about_is_heard_of():
    scene = Scene()
    scene.stack.tell(DISCONNECTED, (7, 0, bytes(6)))
    assert scene.heard() and all(link.handle is None for link in scene.ble.links)


def test_a_phone_that_cannot_be_told_is_hung_up_on():
    scene = Scene()
    scene.stack.tell(CONNECTED, (0, 0, bytes(6)))
    scene.stack.fails = True
    assert scene.ble.send(scene.ble.links[0], b"x")
    assert scene.ble.links[0].is_gone and scene.stack.hung_up == [0]


def test_a_phone_may_have_so_much_waiting_and_no_more():
    scene = Scene()
    link = scene.ble.links[0]
    scene.stack.tell(CONNECTED, (0, 0, bytes(6)))
    scene.stack.written = bytes(240)
    # Taken as they come there is no end; ten of 256 fill the room.
    for _ in range(40):
        scene.stack.tell(WRITTEN, (0, 16))
        assert len(scene.ble.take(link)) == 240
    for _ in range(10):
        scene.stack.tell(WRITTEN, (0, 16))
        assert not link.is_gone
    scene.stack.tell(WRITTEN, (0, 16))
    assert link.is_gone and scene.stack.hung_up == [0] and len(link.chunks) == 10


def test_a_fresh_start_forgets_the_last_error():
    scene = Scene()

    def fail(handle):
        raise OSError(5)

    scene.stack.tell(CONNECTED, (0, 0, bytes(6)))
    scene.stack.gatts_read = fail
    scene.stack.tell(WRITTEN, (0, 16))
    assert isinstance(scene.ble.error, OSError) and scene.heard()
    scene.ble.stop()
    assert scene.ble.links[0].handle < 0 and scene.ble.links[0].is_gone
    scene.ble.start()
    assert scene.ble.is_on and scene.ble.error is None


def test_without_memory_for_a_phone_nothing_is_advertised():
    scene = Scene()
    scene.ble.advertise(b"data")
    HEAPS[0] = (100_000, 19_999, 8_000, 8_000)
    try:
        scene.ble.advertise(b"data")
    except OSError as error:
        assert error.errno == 12 and scene.stack.advertised == 1
        return
    raise AssertionError("advertised all the same")
