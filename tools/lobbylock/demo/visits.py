"""Phones at the virtual door: over Bluetooth, with receipts, visitors of residents, and the news that phones carry."""

import json
from collections.abc import Iterator
from typing import Any

from firmware.core import event_names
from lobbylock.demo.air import visit
from lobbylock.demo.deck import DRIVER, RESIDENT, VISITOR, widen
from lobbylock.demo.stage import DOOR
from lobbylock.demo.taps import Taps
from lobbylock.demo.witness import CALM_MS, Step
from lobbylock.phone import Phone, load_key
from virtualboard.chip.isodep_card import IsoDepCard

_VISIT_LIMIT_MS = 30_000
_COURIER = "GLS 5"


class Visits(Taps):
    def visit_steps(self) -> Iterator[tuple[str, Step]]:
        yield "a delivery over Bluetooth, and its receipt holds", self._delivery
        yield "a phone that is only near opens nothing", self._near
        yield "a resident's visitor is let in and photographed", self._visitor
        yield "a visitor's credential wider than the resident's is refused", self._wider
        yield "without a network a visitor brings the list, and a stolen credential is refused", self._stolen
        yield "without a network a visitor brings the time, and is let in", self._time

    # What is shown.

    def _phone(self, credential: bytes, **news: Any) -> Phone:
        """Returns a phone with the stage's key, which wants a receipt."""
        return Phone(
            credential, load_key(self._stage.phone_key), wants_receipt=True, door_key=self._stage.door_key, **news
        )

    def _come(self, phone: Phone, *, is_pressed: bool = True) -> str:
        """Has a phone come over Bluetooth; returns the reason that it was told."""
        self._shown += 1
        radio = self._board.ble.phone("phone")
        task = self._board.ble.start(visit(phone, radio, self._stage.door_key, is_pressed=is_pressed))
        self._require(self._wind_to(task.done, _VISIT_LIMIT_MS), "the visit does not end")
        self._stage.skip(CALM_MS)
        return _reason(task.result())

    def _hold(self, phone: Phone) -> str:
        """Holds a phone to the reader until it was told something; returns that reason."""
        self._shown += 1
        card = IsoDepCard(phone.handle)
        phone.reason = None
        self._board.nfc.place(card)
        try:
            self._wind_to(lambda: phone.reason is not None, _VISIT_LIMIT_MS)
            # What it carries is taken after that.
            self._stage.skip(CALM_MS)
        finally:
            self._board.nfc.remove(card)
        self._stage.skip(CALM_MS)
        return _reason(phone.reason)

    # The steps.

    def _delivery(self) -> dict[str, Any]:
        self._credential = self._deck.phone_credential(DRIVER)
        phone = self._phone(self._credential)
        start_ms, moves = self._board.now_ms, len(self._board.strike.history)
        told = self._come(phone)
        self._require(told == "granted", f"the phone was told {told}")
        self._require_reason("granted")
        took_ms = self._board.strike.history[moves][0] - start_ms
        access = self._stage.events("access")[self._shown - 1]
        self._require(access["details"]["via"] == "ble", "the event does not say how")
        self._require(len(phone.receipts) == 1, f"{len(phone.receipts)} receipts")
        file = self._stage.home / "delivery.receipt"
        file.write_bytes(phone.receipts[0])
        options = ["--door-key", self._stage.door_key.hex(), "--door", DOOR, "--json"]
        said = json.loads(self._stage.run("receipt", "verify", str(file), *options).stdout)
        self._require(said["ok"] and said["seq"] == access["seq"], f"the receipt says {said}")
        self._require(
            self._arrives(lambda: bool(self._stage.events("receipt"))), "no event says that a receipt was given"
        )
        audited = self._stage.run("audit", "receipts", str(file), "--store", str(self._stage.store), "--json")
        self._require(audited.returncode == 0, audited.stdout + audited.stderr)
        return {"reason": told, "via": "ble", "receipt_of": said["seq"], "to_strike_ms": round(took_ms)}

    def _near(self) -> dict[str, Any]:
        moves = len(self._board.strike.history)
        told = self._come(self._phone(self._credential), is_pressed=False)
        self._require_reason("no_act")
        self._require(told == "no_act", f"the phone was told {told}")
        self._require(len(self._board.strike.history) == moves, "the strike moved")
        return {"reason": told}

    def _visitor(self) -> dict[str, Any]:
        self._parent = self._deck.phone_credential(RESIDENT, "--role", "resident")
        self._chain = self._deck.visitor(self._parent)
        told = self._come(self._phone(self._chain))
        self._require(told == "granted", f"the visitor was told {told}")
        self._require_reason("granted")
        details = self._stage.events("access")[self._shown - 1]["details"]
        self._require((details["subject"], details["role"]) == (VISITOR, "visitor"), f"the event says {details}")
        self._require("picture" in details, "no picture was taken")
        own = self._come(self._phone(self._parent))
        self._require_reason("granted")
        details = self._stage.events("access")[self._shown - 1]["details"]
        self._require(own == "granted" and "picture" not in details, "a resident was photographed")
        return {"visitor": told, "photographed": True, "resident": own, "resident_photographed": False}

    def _wider(self) -> dict[str, Any]:
        moves = len(self._board.strike.history)
        told = self._come(self._phone(widen(self._chain, load_key(self._stage.phone_key))))
        self._require_reason("wider")
        self._require(told == "wider", f"the phone was told {told}")
        self._require(len(self._board.strike.history) == moves, "the strike moved")
        return {"reason": told}

    def _stolen(self) -> dict[str, Any]:
        self._courier = self._deck.phone_credential(_COURIER)
        file = self._stage.home / "revoked.list"
        self._board.wlan.available = False
        try:
            before = self._come(self._phone(self._credential))
            done = self._stage.run("revoke", self._credential.hex(), "--out", str(file), "--json")
            self._require(done.returncode == 0, done.stderr)
            brought = self._hold(self._phone(self._courier, list_file=file.read_bytes()))
            after = self._come(self._phone(self._credential))
        finally:
            self._board.wlan.available = True
        told = [before, brought, after]
        self._require(told == ["granted", "granted", "revoked"], f"they were told {told}")
        self._require(self._reasons(3) == told, "the record says otherwise")
        taken = self._stage.events("list_taken")[-1]["details"]
        self._require(taken["name"] == "phone", f"the list came by {taken['name']}")
        return {"before": before, "visitor": brought, "after": after, "list_version": taken["list_version"]}

    def _time(self) -> dict[str, Any]:
        self._board.power_off()
        self._board.wlan.available = False
        try:
            self._stage.start_lock()
            self._board.run_for(3_000)
            first = self._phone(self._courier)
            before = self._come(first)
            self._require(before == "time_unknown" and first.nonce is not None, f"the phone was told {before}")
            after = self._come(self._phone(self._courier, token=self._deck.token(first.nonce or b"")))
        finally:
            self._board.wlan.available = True
        told = [before, after]
        self._require(told == ["time_unknown", "granted"], f"they were told {told}")
        self._require(self._reasons(2) == told, "the record says otherwise")
        # What the network says later is another one.
        first_set = next(found for found in self._stage.events("clock_set") if found["boot"] == self._stage.boot)
        source = first_set["details"]["name"]
        self._require(source == "token", f"the time came from {source}")
        return {"before": before, "after": after, "source": source}


def _reason(number: int | None) -> str:
    return "nothing" if number is None else event_names.REASON_NAMES[number]
