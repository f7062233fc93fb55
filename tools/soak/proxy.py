"""A proxy between a lock and its broker that does to the line what its mode says."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Coroutine
from enum import Enum, auto
from random import Random
from typing import Any

from lobbylock.broker import HOST

RESET_S = 1.0
_ANSWER_S = 30.0
_PIECE_BYTES = 65_536
# A lock's messages end at 8 KB, MQTT's own at 256 MB.
_LARGEST_BYTES = 1 << 20
# Of the packets that are lost, so many take the connection with them.
_CUT = 0.1
# Closing then sends RST instead of FIN.
_LINGER_NOT = struct.pack("ii", 1, 0)
# RFC 8446 section 5.1: a handshake record of 90 bytes, of whose ServerHello 26 come.
_HALF_SERVER_HELLO = bytes.fromhex("160303005a" + "02000056" + "0303") + bytes(20)


class Mode(Enum):
    """What becomes of connections that are made from now on."""

    PASS = auto()
    # Nobody listens.
    REFUSE = auto()
    # Accepted, never read, never answered.
    BLACK_HOLE = auto()
    # Passed on for a second, then reset.
    RESET = auto()
    # What is sent is read, and answered with half of a ServerHello.
    STUCK_TLS = auto()
    # Whole MQTT packets disappear, in both directions.
    LOSSY = auto()


class FaultProxy:
    """Listens on `port` of 127.0.0.1 and passes on to the broker at `upstream`, another port there.

    `loss` is the probability with which a packet is lost under Mode.LOSSY; the same seed loses the same ones, counted
    by connection and direction. `counts` tells how many connections were made and packets forwarded, dropped or cut at.
    Works on plain MQTT; all modes but LOSSY on TLS as well. A change of mode resets what is connected.
    """

    def __init__(self, upstream: int, mode: Mode = Mode.PASS, *, loss: float = 0.3, seed: int = 1) -> None:
        self.port = 0
        self.counts: Counter[str] = Counter()
        self._upstream = upstream
        self._mode = mode
        self._loss = loss
        self._seed = seed
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        # Bound, so that the port stays ours while nobody listens on it.
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    @property
    def mode(self) -> Mode:
        return self._mode

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set_mode(self, mode: Mode) -> None:
        """Takes effect before this returns."""
        self._call(self._change(mode))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)

    # In the proxy's thread.

    async def _open(self) -> None:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, self.port))
        self.port = bound.getsockname()[1]
        self._socket = bound
        if self._mode is not Mode.REFUSE:
            self._server = await asyncio.start_server(self._accept, sock=bound)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._socket is not None:
            self._socket.close()
        # What has just been accepted comes to `_accept` a step later.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _change(self, mode: Mode) -> None:
        await self._close()
        self._mode = mode
        await self._open()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts["connections"] += 1
        task = asyncio.create_task(self._serve(reader, writer, self.counts["connections"]))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # Also of one that was called off before its first step.
        task.add_done_callback(lambda _: _reset(writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if self._mode is Mode.BLACK_HOLE:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.Event().wait()
        elif self._mode is Mode.STUCK_TLS:
            await reader.read(_PIECE_BYTES)
            writer.write(_HALF_SERVER_HELLO)
            await asyncio.Event().wait()
        else:
            # The broker may not be there, and either of the two may go.
            with contextlib.suppress(OSError):
                await self._relay(reader, writer, number)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self._upstream)
        ways = [
            asyncio.create_task(self._pass_on(reader, far_writer, Random(f"{self._seed}/{number}/up"))),
            asyncio.create_task(self._pass_on(far_reader, writer, Random(f"{self._seed}/{number}/down"))),
        ]
        try:
            limit_s = RESET_S if self._mode is Mode.RESET else None
            await asyncio.wait(ways, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            _reset(far_writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, random: Random) -> None:
        """Returns when the connection has to end."""
        is_lossy = self._mode is Mode.LOSSY
        with contextlib.suppress(asyncio.IncompleteReadError):
            while data := await (_read_packet(reader) if is_lossy else reader.read(_PIECE_BYTES)):
                if is_lossy and random.random() < self._loss:
                    if random.random() < _CUT:
                        self.counts["cut"] += 1
                        return
                    self.counts["dropped"] += 1
                    continue
                self.counts["forwarded"] += 1
                writer.write(data)
                await writer.drain()


async def _read_packet(reader: asyncio.StreamReader) -> bytes:
    """Returns one MQTT packet, or nothing for what is none (MQTT 3.1.1, section 2.2)."""
    packet = await reader.readexactly(2)
    size = packet[1] & 0x7F
    shift = 7
    while packet[-1] & 0x80:
        if shift > 21:
            return b""
        packet += await reader.readexactly(1)
        size |= (packet[-1] & 0x7F) << shift
        shift += 7
    if size > _LARGEST_BYTES:
        return b""
    return packet + await reader.readexactly(size)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
