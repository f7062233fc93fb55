"""The Bluetooth of a laptop, through bleak, as a carrier for `ble_phone`.

bleak is no requirement of the rest: whoever has no use for Bluetooth needs no package for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lobbylock.ble_chunks import ATT_BYTES
from lobbylock.ble_phone import NOTIFY, SERVICE, WRITE, CarrierLost, is_beacon
from lobbylock.errors import UserError

if TYPE_CHECKING:
    import bleak
    from bleak.backends.device import BLEDevice

_CONNECT_S = 20.0


class Radio:
    """Finds doors and connects to them. `options` go to bleak's scanner and client: a backend other than the system's.

    Raises UserError if bleak is not installed.
    """

    def __init__(self, scanner_options: dict[str, Any] | None = None, client_options: dict[str, Any] | None = None):
        try:
            import bleak
            from bleak.exc import BleakError
        except ImportError:
            raise UserError("Bluetooth needs one more package: `pip install bleak`.") from None
        self._bleak = bleak
        self._errors = (BleakError, OSError)
        self._scanner_options = scanner_options or {}
        self._client_options = client_options or {}

    async def find(self, doors: dict[str, bytes], limit_s: float) -> tuple[str, BLEDevice] | None:
        """Returns (name, device) of the first of `doors` (public keys by name) that is heard; None if none is.

        Raises UserError if there is no Bluetooth.
        """
        heard = None

        def is_known(device: BLEDevice, advertised: Any) -> bool:
            nonlocal heard
            data = bytes(advertised.service_data.get(SERVICE, b""))
            heard = next((name for name, key in doors.items() if is_beacon(data, key)), None)
            return heard is not None

        try:
            scanner = self._bleak.BleakScanner
            device = await scanner.find_device_by_filter(is_known, timeout=limit_s, **self._scanner_options)
        except self._errors as error:
            raise UserError(f"There is no Bluetooth that works here: {_words(error)}") from None
        return (heard, device) if device is not None and heard is not None else None

    async def connect(self, device: BLEDevice) -> BleakCarrier:
        """Returns the connection. Raises CarrierLost if there is none in time."""
        client = BleakCarrier(self._bleak.BleakClient, device, self._client_options, self._errors)
        try:
            await asyncio.wait_for(client.open(), _CONNECT_S)
        except (*self._errors, TimeoutError, asyncio.TimeoutError) as error:
            await client.close()
            raise CarrierLost(_words(error)) from None
        return client


def _words(error: Exception) -> str:
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return text or type(error).__name__


class BleakCarrier:
    """One connection by bleak; `mtu` is ATT's."""

    def __init__(
        self, kind: type[bleak.BleakClient], device: BLEDevice, options: dict[str, Any], errors: tuple[Any, ...]
    ) -> None:
        self._errors = errors
        self._heard: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._client = kind(device, lambda _: self._heard.put_nowait(None), **options)
        self.mtu = 23

    async def open(self) -> None:
        """Connects and listens. Raises bleak's errors."""
        await self._client.connect()
        await self._client.start_notify(NOTIFY, lambda _, data: self._heard.put_nowait(bytes(data)))
        written = self._client.services.get_characteristic(WRITE)
        # BlueZ tells the size of a write, and of the MTU only what it is at least.
        most = written.max_write_without_response_size if written is not None else 0
        self.mtu = max(self.mtu, most + ATT_BYTES)

    async def write(self, chunk: bytes) -> None:
        """Writes without waiting for an answer: the lock's own words are the answer. Raises CarrierLost."""
        try:
            await self._client.write_gatt_char(WRITE, chunk, response=False)
        except self._errors as error:
            raise CarrierLost(_words(error)) from None

    async def receive(self) -> bytes:
        """Returns the next notification. Raises CarrierLost."""
        chunk = await self._heard.get()
        if chunk is None:
            # For whoever asks again.
            self._heard.put_nowait(None)
            raise CarrierLost("the lock hung up")
        return chunk

    async def close(self) -> None:
        """Ends the connection; one that is gone already is no error."""
        try:
            await self._client.disconnect()
        except self._errors:
            return
