"""A phone in somebody else's hands: an event loop of another thread, or another process, has it do things.

The board runs at the real pace then, or time would be over before anybody has thought.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from virtualboard.ble.loop import VirtualLoop
    from virtualboard.ble.phone import Advertisement, BlePhone

# A phone's own stack asks for as much as there is when it connects.
_MTU = 517
# Of all that a line carries, the longest is an advertisement or a value: some hundred bytes as hex digits.
_LINE_BYTES = 1 << 16

Tell = Callable[..., object]


class Shop(Protocol):
    """Who has the phones: the board's VirtualBluetooth."""

    @property
    def loop(self) -> VirtualLoop: ...

    def phone(self, name: str) -> BlePhone: ...

    def submit(self, coroutine: Any) -> Future[Any]: ...


class HandsetError(Exception):
    """What the phone was asked for did not come about."""


class Keys:
    """What can be done with a phone, in numbers, strings and lists: bytes are hex digits.

    `tell` hears ("heard", address, data, response, rssi), ("told", UUID, data) and ("gone",).
    """

    def __init__(self, phone: BlePhone, tell: Tell) -> None:
        self._phone = phone
        self._tell = tell

    async def press(self, name: str, *arguments: Any) -> Any:
        """Does one of the things below. Raises HandsetError."""
        work = {
            "listen": self._listen,
            "hush": self._phone.stop_listening,
            "connect": self._connect,
            "disconnect": self._phone.disconnect,
            "services": self._phone.services,
            "subscribe": self._phone.subscribe,
            "write": self._write,
            "read": self._read,
        }
        from bumble.core import BaseBumbleError

        from virtualboard.ble.phone import PhoneError

        try:
            return await work[name](*arguments)
        except (PhoneError, BaseBumbleError, asyncio.TimeoutError) as error:
            raise HandsetError(str(error) or type(error).__name__) from None

    async def _listen(self) -> None:
        def take(entry: Advertisement) -> None:
            self._tell("heard", entry.address, entry.data.hex(), entry.response.hex(), entry.rssi)

        await self._phone.listen(take)

    async def _connect(self, address: str, timeout_s: float) -> int:
        await self._phone.connect(address, timeout_s)
        self._phone.on_disconnected = lambda: self._tell("gone")
        self._phone.on_notified = lambda uuid, data: self._tell("told", uuid, data.hex())
        return await self._phone.mtu(_MTU)

    async def _write(self, uuid: str, data: str, with_response: bool) -> None:
        await self._phone.write(bytes.fromhex(data), with_response, uuid)

    async def _read(self, uuid: str) -> str:
        return (await self._phone.read(uuid)).hex()


class LocalHandset:
    """A phone at a board in this process, for whatever event loop runs: another thread's, or the board's own."""

    def __init__(self, ble: Shop, name: str) -> None:
        self._ble = ble
        self._keys = Keys(ble.phone(name), self._pass_on)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_event: Tell = lambda *event: None

    def _pass_on(self, *event: Any) -> None:
        if self._loop:
            self._loop.call_soon_threadsafe(lambda: self.on_event(*event))

    async def press(self, name: str, *arguments: Any) -> Any:
        """As `Keys.press`."""
        self._loop = asyncio.get_running_loop()
        work = self._keys.press(name, *arguments)
        if self._loop is self._ble.loop:
            return await work
        return await asyncio.wrap_future(self._ble.submit(work))


class RemoteHandset:
    """A phone at a board in another process, behind `Counter`'s address "host:port"."""

    def __init__(self, address: str, name: str) -> None:
        self._address = address
        self._name = name
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self._reading: asyncio.Task[None] | None = None
        self.on_event: Tell = lambda *event: None

    async def press(self, name: str, *arguments: Any) -> Any:
        """As `Keys.press`."""
        if not self._writer:
            host, _, port = self._address.rpartition(":")
            reader, self._writer = await asyncio.open_connection(host, int(port), limit=_LINE_BYTES)
            self._reading = asyncio.ensure_future(self._read(reader))
        self._count += 1
        done = self._waiting[self._count] = asyncio.get_running_loop().create_future()
        request = [self._count, self._name, name, *arguments]
        self._writer.write(json.dumps(request).encode() + b"\n")
        return await done

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            number, *rest = json.loads(line)
            done = self._waiting.pop(number, None)
            if not number:
                self.on_event(*rest)
            elif done and not done.done():
                error, value = rest
                if error is None:
                    done.set_result(value)
                else:
                    done.set_exception(HandsetError(error))
        for done in self._waiting.values():
            done.set_exception(HandsetError("the board is gone"))
        self._waiting.clear()
        self.on_event("gone")


class Counter:
    """Lends the phones of a board to other processes of this machine. `address` is "127.0.0.1:port"."""

    def __init__(self, ble: Shop) -> None:
        self._ble = ble
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, name="handsets", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            # Closing alone does not wake who waits in accept.
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(stream,), name="handset", daemon=True).start()

    def _serve(self, stream: socket.socket) -> None:
        turn = threading.Lock()

        def send(*message: Any) -> None:
            with turn, contextlib.suppress(OSError):
                stream.sendall(json.dumps(message).encode() + b"\n")

        def answer(number: int, done: Any) -> None:
            error = done.exception()
            send(number, str(error) if error else None, None if error else done.result())

        lent: dict[str, Keys] = {}
        with stream, stream.makefile("rb") as lines, contextlib.suppress(OSError):
            while line := lines.readline(_LINE_BYTES):
                number, phone, name, *arguments = json.loads(line)
                if phone not in lent:
                    lent[phone] = Keys(self._ble.phone(phone), functools.partial(send, 0))
                done = self._ble.submit(lent[phone].press(name, *arguments))
                done.add_done_callback(functools.partial(answer, number))
        # Whoever had the phone is gone; it does not stay connected.
        for keys in lent.values():
            self._ble.submit(keys.press("disconnect"))
