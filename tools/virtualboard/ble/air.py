"""The air between the board's radio and the phones: advertisements, connections, range and delay.

Bumble's controllers talk to each other through a link object; this one has a connection interval, a distance that can
become too large, and advertisers that only send while somebody listens.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from bumble import hci, ll
from bumble.controller import Connection, Controller, LegacyAdvertiser
from bumble.link import LocalLink

if TYPE_CHECKING:
    from virtualboard.ble.loop import VirtualLoop

_ADV_IND = 0
_UNIT_S = 0.000625
# Who hears nothing for six connection events after it asked for a connection has none (Core 5.0, vol 6, B, 4.5.2).
_ESTABLISH_EVENTS = 6
_NOT_ESTABLISHED = hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR
_TIMEOUT = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
# What an ESP32 and today's phones put into one packet on the air (data length extension).
_PACKET_BYTES = 251


@dataclasses.dataclass
class Beacon(ll.AdvInd):
    """One advertisement as the listeners get it. The first who answers it by a connection has the advertiser."""

    advertiser: Advertiser | None = None
    response: bytes = b""
    is_connectable: bool = True


class Advertiser(LegacyAdvertiser):
    """Sends at multiples of its interval since it was started, but only while somebody can hear it."""

    _began_s = 0.0
    _claimed = False

    @property
    def _air(self) -> Air:
        return cast(Radio, self.controller).air

    def start(self) -> None:
        self.stop()
        self.enabled = True
        self._claimed = False
        self._began_s = self._air.loop.time()
        self.attend()

    def claim(self, address: hci.Address) -> bool:
        """Returns True to the first listener who connects.

        One that is connected already as far as this end knows is not heard, and may come back once that is over.
        """
        if self._claimed or not self.enabled or address in self.controller.le_connections:
            return False
        self._claimed = True
        return True

    def attend(self) -> None:
        """Arranges the next advertisement, if anybody listens."""
        air = self._air
        if not self.enabled or self.timer_handle or not air.has_listener(self.controller):
            return
        interval_s = self.advertising_interval_min * _UNIT_S
        passed = math.ceil((air.loop.time() - self._began_s) / interval_s - 1e-9)
        self.timer_handle = air.loop.call_at(self._began_s + passed * interval_s, self._fire)

    def _fire(self) -> None:
        self.timer_handle = None
        air = self._air
        if not self.enabled or not air.has_listener(self.controller):
            return
        pdu = Beacon(self.address, self.advertising_data, self, self.scan_response_data)
        pdu.is_connectable = self.advertising_type == _ADV_IND
        self.controller.send_advertising_pdu(pdu)
        interval_s = self.advertising_interval_min * _UNIT_S
        self.timer_handle = air.loop.call_later(interval_s, self._fire)


class Radio(Controller):
    """A controller in the air. Bluetooth 4.2 as the ESP32's: one legacy advertiser, no extended advertising."""

    le_features = Controller.le_features & ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
    le_acl_data_packet_length = _PACKET_BYTES

    def __init__(self, name: str, air: Air, public_address: str | None = None) -> None:
        super().__init__(name, link=air, public_address=public_address)
        self.air = air
        self.le_legacy_advertiser = Advertiser(self)
        self.is_near = True
        self.delay_s = 0.0

    def hold(self, size: int) -> None:
        """A packet of that size waits for its connection event."""

    def release(self, size: int) -> None:
        """It has left, or never will."""

    @property
    def is_listening(self) -> bool:
        return self.is_near and (self.le_scan_enable or self.pending_le_connection is not None)

    # What the host commands.

    def on_hci_le_set_scan_enable_command(self, command: Any) -> Any:
        answer = super().on_hci_le_set_scan_enable_command(command)
        self.air.attend()
        return answer

    def on_hci_le_create_connection_command(self, command: Any) -> None:
        super().on_hci_le_create_connection_command(command)
        self.air.attend()

    def on_hci_le_create_connection_cancel_command(self, _command: Any) -> Any:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending:
            self.air.loop.call_soon(self._tell_cancelled, pending.peer_address)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def _tell_cancelled(self, peer_address: hci.Address) -> None:
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=peer_address.address_type,
                peer_address=peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )

    # What comes through the air.

    def on_advertising_pdu(self, pdu: Any) -> None:
        if not isinstance(pdu, Beacon) or not self.is_near:
            return
        if self.le_scan_enable:
            self._report(pdu)
        pending = self.pending_le_connection
        if not pending or not pdu.advertiser or not pdu.is_connectable:
            return
        if pending.peer_address != pdu.advertiser_address:
            return
        is_public = pending.own_address_type == hci.OwnAddressType.PUBLIC
        if pdu.advertiser.claim(self.public_address if is_public else self.random_address):
            self.create_le_connection(pdu.advertiser_address)

    def _report(self, pdu: Beacon) -> None:
        kinds = hci.HCI_LE_Advertising_Report_Event.EventType
        reports = [(kinds.ADV_IND if pdu.is_connectable else kinds.ADV_SCAN_IND, pdu.data)]
        if self.le_scan_type:
            reports.append((kinds.SCAN_RSP, pdu.response))
        for kind, data in reports:
            report = hci.HCI_LE_Advertising_Report_Event.Report(
                event_type=kind,
                address_type=pdu.advertiser_address.address_type,
                address=pdu.advertiser_address,
                data=data,
                rssi=-50,
            )
            self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))

    def create_le_connection(self, peer_address: hci.Address) -> None:
        super().create_le_connection(peer_address)
        connection = self.le_connections[peer_address]
        self.air.loop.call_later(_ESTABLISH_EVENTS * self.air.interval_s, self._check, connection)

    def _check(self, connection: Connection) -> None:
        if self.le_connections.get(connection.peer_address) is connection and not self.air.is_wired(connection):
            self.on_le_disconnected(connection, _NOT_ESTABLISHED)

    def on_le_connect_ind(self, packet: ll.ConnectInd) -> None:
        before = set(self.le_connections)
        super().on_le_connect_ind(packet)
        if set(self.le_connections) != before:
            self.air.join(self, packet.initiator_address)

    def on_le_disconnected(self, connection: Connection, reason: int) -> None:
        super().on_le_disconnected(connection, reason)
        self.air.part(connection)


class Wire:
    """One connection: two ends, and what is on its way between them, each way in order."""

    def __init__(self, air: Air, ends: tuple[tuple[Radio, Connection], tuple[Radio, Connection]]) -> None:
        self._air = air
        self._ends = ends
        self._queues: tuple[deque[tuple[float, int, Callable[[], None]]], ...] = (deque(), deque())
        self._watch: Any = None

    def has(self, connection: Connection) -> bool:
        return any(end is connection for _, end in self._ends)

    def reaches(self, radio: Radio) -> bool:
        return any(end is radio for end, _ in self._ends)

    def send(self, sender: Connection, size: int, deliver: Callable[[Radio, Connection], None]) -> None:
        """Takes a packet to the other end: away at the next connection event, there a delay later."""
        way = 0 if self._ends[0][1] is sender else 1
        radio, connection = self._ends[1 - way]

        def arrive() -> None:
            if radio.le_connections.get(connection.peer_address) is connection:
                deliver(radio, connection)

        loop = self._air.loop
        self._ends[way][0].hold(size)
        self._queues[way].append((loop.time() + self._air.interval_s, size, arrive))
        loop.call_later(self._air.interval_s, self._move, way)

    @property
    def is_whole(self) -> bool:
        return all(radio.is_near for radio, _ in self._ends)

    def _move(self, way: int) -> None:
        loop, queue = self._air.loop, self._queues[way]
        while queue and self.is_whole and queue[0][0] <= loop.time() + 1e-7:
            _, size, arrive = queue.popleft()
            self._ends[way][0].release(size)
            delay_s = sum(radio.delay_s for radio, _ in self._ends)
            if delay_s:
                loop.call_later(delay_s, arrive)
            else:
                arrive()

    def heed(self) -> None:
        """One end went away or came back: the supervision time begins, or what waited goes on."""
        if self._watch:
            self._watch.cancel()
            self._watch = None
        if self.is_whole:
            self._move(0)
            self._move(1)
        else:
            self._watch = self._air.loop.call_later(self._air.supervision_s, self._expire)

    def _expire(self) -> None:
        for radio, connection in self._ends:
            if radio.le_connections.get(connection.peer_address) is connection:
                radio.on_le_disconnected(connection, _TIMEOUT)

    def drop(self, connection: Connection) -> None:
        """One end has given the connection up: what it still had to send, it keeps; the other's is lost."""
        way = 0 if self._ends[0][1] is connection else 1
        for _, size, _ in self._queues[1 - way]:
            self._ends[1 - way][0].release(size)
        self._queues[1 - way].clear()

    @property
    def is_over(self) -> bool:
        alive = (radio.le_connections.get(end.peer_address) is end for radio, end in self._ends)
        return not any(alive)

    def close(self) -> None:
        if self._watch:
            self._watch.cancel()
        for way in (0, 1):
            for _, size, _ in self._queues[way]:
                self._ends[way][0].release(size)
            self._queues[way].clear()


class Air(LocalLink):
    """`interval_s` is what a packet waits for its connection event; a silence of `supervision_s` ends a connection."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        # In the order in which they came, so that the same calls give the same run.
        self.radios: list[Radio] = []
        self.loop = loop
        self.interval_s = 0.03
        self.supervision_s = 5.0
        self._wires: list[Wire] = []

    def add_controller(self, controller: Any) -> None:
        self.radios.append(controller)

    def remove_controller(self, controller: Any) -> None:
        self.radios.remove(controller)

    def has_listener(self, speaker: Controller) -> bool:
        return speaker in self.radios and any(radio is not speaker and radio.is_listening for radio in self.radios)

    def attend(self) -> None:
        """Somebody began to listen, or came near."""
        for radio in self.radios:
            if isinstance(radio.le_legacy_advertiser, Advertiser):
                radio.le_legacy_advertiser.attend()

    def set_near(self, radio: Radio, is_near: bool) -> None:
        """Takes a radio out of everybody's range, or brings it back."""
        radio.is_near = is_near
        for wire in list(self._wires):
            if wire.reaches(radio):
                wire.heed()
        self.attend()

    def vanish(self, radio: Radio) -> None:
        """A radio without power: it says nothing any more, and nothing reaches it."""
        radio.le_legacy_advertiser.stop()
        radio.hci_sink = None
        self.set_near(radio, False)
        self.remove_controller(radio)

    def retire(self, radio: Radio) -> None:
        """A radio that is switched off and has taken its leave, which is still under way."""
        radio.hci_sink = None
        self.remove_controller(radio)

    # Connections.

    def join(self, radio: Radio, address: hci.Address) -> None:
        """Makes the wire between a radio and the one with that address which has just connected to it."""
        connection = radio.le_connections[address]
        for other in self.radios:
            for end in other.le_connections.values():
                if end is not connection and end.self_address == address and not self._wire(end):
                    self._wires.append(Wire(self, ((radio, connection), (other, end))))
                    return

    def _wire(self, connection: Connection) -> Wire | None:
        return next((wire for wire in self._wires if wire.has(connection)), None)

    def is_wired(self, connection: Connection) -> bool:
        return self._wire(connection) is not None

    def part(self, connection: Connection) -> None:
        """One end of a connection is over."""
        wire = self._wire(connection)
        if wire:
            wire.drop(connection)
            if wire.is_over:
                wire.close()
                self._wires.remove(wire)

    def terminate(self, connection: Connection, reason: int) -> None:
        """Ends a connection as on air: the other end is told at a connection event and acknowledges it at the next."""
        wire = self._wire(connection)

        def acknowledge() -> None:
            radio = cast(Radio, connection.controller)
            if radio.le_connections.get(connection.peer_address) is connection:
                radio.on_le_disconnected(connection, reason)

        def tell(radio: Radio, end: Connection) -> None:
            radio.on_ll_control_pdu(end.peer_address, ll.TerminateInd(reason))
            self.loop.call_later(self.interval_s, acknowledge)

        if wire:
            wire.send(connection, 0, tell)

    # What controllers ask of a link.

    def send_advertising_pdu(self, sender_controller: Any, packet: ll.AdvertisingPdu) -> None:
        for radio in self.radios:
            if radio is not sender_controller and radio.is_near:
                self.loop.call_soon(radio.on_ll_advertising_pdu, packet)

    def send_acl_data(
        self, sender_controller: Any, destination_address: hci.Address, transport: Any, data: bytes
    ) -> None:
        connection = sender_controller.le_connections.get(destination_address)
        wire = self._wire(connection) if connection else None
        if wire:
            wire.send(
                connection,
                len(data),
                lambda radio, end: radio.on_link_acl_data(end.peer_address, transport, data),
            )

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        for radio in self.radios:
            connection = radio.le_connections.get(receiver_address)
            if connection and connection.self_address == sender_address:
                wire = self._wire(connection)
                if wire:
                    wire.send(connection, 0, lambda radio, end: radio.on_ll_control_pdu(end.peer_address, packet))
                return
