"""Brings events and pictures to the collector, and lets go of what it has acknowledged by its signature.

And the other way: what issuers have to tell, which they sign as well (task/news.py).
"""

import asyncio
import gc
import time
from binascii import hexlify

import cbor
import cose
import ed25519
from micropython import const

from firmware.core.errors import FlashError
from firmware.store import ledger

_POLL_MS = const(200)
_RESEND_MS = const(10_000)
_LONGEST_WAIT_MS = const(30_000)
_IGNORE_MS = const(5_000)
_MOST_RECORDS = const(48)
_MOST_BYTES = const(7_680)
# A message lies in the heap several times until it is sent: small ones, unless one seal covers more.
_ENOUGH_BYTES = const(1_024)
_PIECE_BYTES = const(1_024)
# A TLS handshake holds the interpreter: only when nobody has been at the door for so long.
_HANDSHAKE_QUIET_MS = const(30_000)

# First elements of the payloads, docs/protocol.md section 5.
_EVENTS_VERSION = const(2)
_PICTURE_VERSION = const(1)
_EVENTS_STORED = const(1)
_PICTURE_STORED = const(2)


class Uplink:
    """Runs on the door's side of the courier. `radio` is the Wi-Fi station; `health` looks after the heap."""

    def __init__(
        self, courier, radio, settings, journal, photos, kept, timekeeping, attention, uptime, news, health=None
    ) -> None:
        self.courier = courier
        self._radio = radio
        self._settings = settings
        self._journal = journal
        self._photos = photos
        self._ledger = kept
        self._timekeeping = timekeeping
        self._attention = attention
        self._uptime = uptime
        self._news = news
        self._health = health
        # The nonce that the broker has from us, in hex.
        self._nonce = b""
        # What was sent and not yet acknowledged: (last seq, its head), and when.
        self._sent: tuple | None = None
        self._sent_ms = 0
        self._quiet_ms = 0
        self._ignore_until_ms = 0
        # The picture under way: (picture, offset of the next piece).
        self._sending: tuple | None = None

    async def run(self) -> None:
        self._radio.connect(*self._settings.wifi)
        self.courier.start(self._attention)
        while not self.courier.has_ended:
            now_ms = self._uptime.now_ms()
            is_quiet = self._attention.is_quiet(now_ms, _HANDSHAKE_QUIET_MS)
            pending = self._journal.seq - self._journal.acked_seq
            free_bytes = self._health and self._health.free_bytes
            uncertainty_ms = self._timekeeping.uncertainty_ms(now_ms)
            self.courier.allow(self._radio.is_up(), pending, is_quiet, free_bytes, uncertainty_ms)
            self._take_time()
            if not self.courier.is_connected:
                self._sent = self._sending = None
                self._nonce = b""
            if self._is_our_turn():
                self._take_acknowledgement()
                if self.courier.is_free():
                    self._send()
                    self._ask_time()
                await self._take_news()
            await asyncio.sleep_ms(_POLL_MS)

    def _is_our_turn(self) -> bool:
        """Whether nobody is at the door, or it cannot wait any longer: checking a signature takes long."""
        now_ms = self._uptime.now_ms()
        if self._attention.is_quiet(now_ms) or now_ms - self._quiet_ms >= _LONGEST_WAIT_MS:
            self._quiet_ms = now_ms
            return True
        return False

    def _take_time(self) -> None:
        answer = self.courier.take_time()
        if answer:
            time_s, uncertainty_ms, ticks_ms = answer
            age_ms = time.ticks_diff(time.ticks_ms(), ticks_ms)
            self._timekeeping.tell(time_s, 1 + uncertainty_ms // 1000, age_ms, "ntp")

    # News.

    def _ask_time(self) -> None:
        """Has a nonce lie at the broker for as long as the lock would like to know the time."""
        nonce = self._news.nonce()
        nonce = hexlify(nonce) if nonce else b""
        if nonce != self._nonce and self.courier.offer("nonce", nonce):
            self._nonce = nonce

    async def _take_news(self) -> None:
        news = self._news
        token = self.courier.take_post("time")
        if token:
            news.take_token(token)
            news.rest()
        head = self.courier.take_post("list/head")
        if head:
            from firmware.task import pieces

            await pieces.take(news, head, self.courier, self._is_our_turn)
            del pieces
            news.rest(("task.pieces",))

    # Sending.

    def _send(self) -> None:
        is_waiting = self._uptime.now_ms() - self._sent_ms < _RESEND_MS
        if self._sending:
            self._send_piece()
        elif self._sent and is_waiting:
            return
        elif not self._send_events() and not (self._sent_picture and is_waiting):
            self._start_picture()

    @property
    def _sent_picture(self) -> bool:
        return self._sent is None and self._sent_ms > 0

    def _send_events(self) -> bool:
        try:
            batch = self._journal.batch(_MOST_RECORDS, _MOST_BYTES, _ENOUGH_BYTES)
            if batch is None:
                return False
            first_seq, head, entries, last_head = batch
            message = _events_message(first_seq, head, entries)
        except MemoryError:
            # A batch is the largest thing that the lock makes. It comes again when there is room for it.
            gc.collect()
            return True
        if self.courier.offer("events", message):
            self._sent = first_seq + len(entries) - 1, last_head
            self._sent_ms = self._uptime.now_ms()
        return True

    def _start_picture(self) -> None:
        picture = self._photos.oldest()
        # Only behind the event that names it: the collector takes no picture it was not told of.
        if picture and picture.seq <= self._journal.acked_seq:
            self._sending = picture, 0
            self._send_piece()

    def _send_piece(self) -> None:
        if self._sending is None:
            return
        picture, offset = self._sending
        if not self._photos.is_waiting(picture):
            # Overwritten by newer ones while it was on its way.
            self._sending = None
            return
        try:
            piece = bytearray(min(_PIECE_BYTES, picture.length - offset))
            self._photos.read_into(picture, offset, piece)
            message = cbor.encode([_PICTURE_VERSION, picture.number, picture.length, offset, piece])
        except MemoryError:
            gc.collect()
            return
        if not self.courier.offer("picture", message):
            return
        offset += len(piece)
        self._sending = (picture, offset) if offset < picture.length else None
        self._sent = None
        self._sent_ms = self._uptime.now_ms()

    # Acknowledgements.

    def _take_acknowledgement(self) -> None:
        message = self.courier.take_acknowledgement()
        if message is None:
            return
        fields = self._open(message)
        if fields is None:
            return
        try:
            if fields[0] == _EVENTS_STORED and self._sent == (fields[2], fields[3]):
                self._journal.release(fields[2])
                self._ledger.put_integer(ledger.ACKED_SEQ, self._journal.acked_seq)
                self._sent = None
                self._sent_ms = 0
            elif fields[0] == _PICTURE_STORED and self._photos.release(fields[2], fields[3]):
                self._sent_ms = 0
        except FlashError:
            # Sent again after the next start; the collector stores it once.
            pass

    def _open(self, message: bytes):
        """Returns the payload [kind, door, number, 32 bytes] of a genuine acknowledgement for this door, or None."""
        try:
            payload, signature = cose.unpack(message)
            fields = cbor.decode(payload)
        except (cose.CoseError, cbor.CborError):
            return None
        if not isinstance(fields, list) or len(fields) != 4 or fields[1] != self._settings.full_name:
            return None
        if not isinstance(fields[2], int) or not isinstance(fields[3], bytes):
            return None
        # Last, because it is the dear part: only for what is waited for, and not again for a while after a forgery, so
        # that a stranger's messages do not keep the door busy.
        if not self._is_waited_for(fields) or self._uptime.now_ms() < self._ignore_until_ms:
            return None
        if not ed25519.verify(self._settings.collector_key, cose.to_be_signed(payload), signature):
            self._ignore_until_ms = self._uptime.now_ms() + _IGNORE_MS
            return None
        return fields

    def _is_waited_for(self, fields: list) -> bool:
        if fields[0] == _EVENTS_STORED:
            return self._sent == (fields[2], fields[3])
        picture = self._photos.oldest()
        return picture is not None and (picture.number, picture.sha256) == (fields[2], fields[3])


def _events_message(first_seq: int, head: bytes, entries: list) -> bytes:
    """Returns the encoding of [2, first_seq, head, entries], made at once: bytes that grow would need room twice."""
    start = cbor.encode([_EVENTS_VERSION, first_seq, head, [0] * len(entries)])
    # A zero takes one byte; the entries come in their place.
    parts = [start[: -len(entries)]]
    for entry in entries:
        parts.append(cbor.encode(entry))
    return b"".join(parts)
