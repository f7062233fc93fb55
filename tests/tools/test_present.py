"""`lobbylock phone wallet` and `phone present`, as far as they get without a door; tests/scenario has one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from test_ble_phone import LOCK, Line, Lock, receipt

from firmware.core import event, proof
from lobbylock import phone, present_command
from lobbylock.ble_phone import NO, RECEIPT, RESULT
from lobbylock.ble_radio import Radio
from lobbylock.errors import UserError
from lobbylock.present_command import Outcome, Presentation
from lobbylock.wallet import Wallet

KEY_HEX = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "phone.pem"
    phone.save_key(path, phone.new_key())
    return path


@pytest.fixture
def wallet(tmp_path, key):
    path = tmp_path / "wallet.json"
    Wallet(b"credential", key, {"maple-12/front": bytes(32)}).save(path)
    return path


def test_wallet_file(run, key, lock, tmp_path):
    path = tmp_path / "wallet.json"
    options = ["--credential", "ab" * 100, "--key", str(key)]
    code, _, error = run("phone", "wallet", str(path), *options, "--door", lock.name, "--door", f"oak-3/yard={KEY_HEX}")
    assert code == 0 and "2 doors" in error
    assert path.stat().st_mode & 0o777 == 0o600
    held = Wallet.load(path)
    assert held == Wallet(b"\xab" * 100, key, {lock.name: lock.public_key, "oak-3/yard": bytes.fromhex(KEY_HEX)})


@pytest.mark.parametrize(
    "options",
    [
        ["--credential", "ab" * 100, "--door", "maple-12/none"],
        ["--credential", "ab" * 100, "--door", "maple-12/front=00"],
        ["--credential", "ab" * 100, "--door", f"front={KEY_HEX}"],
        ["--credential", "ab" * 1_025, "--door", f"maple-12/front={KEY_HEX}"],
        ["--credential", "nothing", "--door", f"maple-12/front={KEY_HEX}"],
    ],
)
def test_what_is_no_wallet(run, key, tmp_path, options):
    path = tmp_path / "wallet.json"
    assert run("phone", "wallet", str(path), "--key", str(key), *options)[0] == 2
    assert not path.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"credential": "zz"},
        {"credential": ""},
        {"doors": []},
        {"doors": {"front": KEY_HEX}},
        {"key": 5},
    ],
)
def test_damaged_wallets(run, wallet, changed):
    wallet.write_text(json.dumps({**json.loads(wallet.read_text()), **changed}))
    with pytest.raises(UserError):
        Wallet.load(wallet)
    code, _, error = run("phone", "present", str(wallet))
    assert code == 2 and error.count("\n") == 1


def test_without_bleak(run, wallet, monkeypatch):
    monkeypatch.setitem(sys.modules, "bleak", None)
    code, _, error = run("phone", "present", str(wallet))
    assert (code, error) == (2, "lobbylock: Bluetooth needs one more package: `pip install bleak`.\n")


def test_without_an_adapter(run, wallet, monkeypatch):
    import bleak
    from bleak.exc import BleakError

    async def find(*_, **__):
        raise BleakError("No Bluetooth adapters found.")

    monkeypatch.setattr(bleak.BleakScanner, "find_device_by_filter", find)
    code, _, error = run("phone", "present", str(wallet))
    assert (code, error) == (2, "lobbylock: There is no Bluetooth that works here: No Bluetooth adapters found.\n")


def test_no_door_in_reach(run, wallet, monkeypatch):
    async def find(*_):
        return None

    monkeypatch.setattr(Radio, "find", find)
    code, text, _ = run("phone", "present", str(wallet))
    assert (code, text) == (1, "No door of this wallet is in reach.\n")
    code, text, _ = run("phone", "present", str(wallet), "--json")
    assert code == 1 and json.loads(text)["granted"] is False
    code, _, error = run("phone", "present", str(wallet), "--door", "oak-3/yard")
    assert code == 2 and "oak-3/yard" in error


@pytest.mark.parametrize("data", [b"", bytes(8_191)])
def test_news_that_are_none(run, wallet, tmp_path, data):
    file = tmp_path / "news"
    assert run("phone", "present", str(wallet), "--list", str(file))[0] == 2
    file.write_bytes(data)
    assert run("phone", "present", str(wallet), "--token", str(file))[0] == 2


class ScriptedRadio(Radio):
    """Finds the door of test_ble_phone, whose lock does what `plays(lock)` does with a connection."""

    def __init__(self, plays=None) -> None:
        self._plays = plays
        self.played: Any = None

    async def find(self, doors, limit_s) -> Any:
        return next(iter(doors)), object()

    async def connect(self, device) -> Any:
        assert self._plays, "connected without an act"
        line = Line(247)
        self.played = asyncio.ensure_future(self._plays(Lock(line)))
        return line


def visit_of(key, door_key=bytes(32)) -> Presentation:
    held = Wallet(b"credential", key, {"maple-12/front": door_key})
    return Presentation(held, phone.Phone(b"credential", phone.load_key(key), wants_receipt=True, version=2), None)


def test_nobody_presses_enter(monkeypatch, key):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(UserError, match="Enter"):
            asyncio.run(visit_of(key).play(ScriptedRadio(), 1, present_command._wait_for_enter))


def test_enter_is_one_line(monkeypatch):
    reader, writer = os.pipe()
    os.write(writer, b"yes\nand more")
    with open(reader) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        asyncio.run(present_command._wait_for_enter("maple-12/front"))
        assert os.read(reader, 100) == b"and more"
    os.close(writer)


def test_ctrl_c_instead_of_enter(environment):
    code = "import asyncio; from lobbylock.present_command import _wait_for_enter as wait; asyncio.run(wait('a/b'))"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stderr=pipe, env=environment) as process:
        assert process.stdin and process.stderr
        try:
            assert b"Press Enter" in process.stderr.readline()
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            # Nothing was typed, and standard input is open still.
            assert process.wait(60) != 0
            assert b"Fatal" not in process.stderr.read()
        finally:
            process.kill()


def test_receipts_of_others_are_not_confirmed(key):
    async def plays(lock: Lock):
        await lock.greet()
        await lock.ask(RESULT, proof.result(0, 0, None))
        good = receipt()
        forged = await lock.ask(RECEIPT, good[:-1] + bytes([good[-1] ^ 1]))
        genuine = await lock.ask(RECEIPT, good)
        lock.hang_up()
        return forged, genuine

    async def play():
        radio = ScriptedRadio(plays)
        outcome = await visit.play(radio, 1, None)
        return outcome, await radio.played

    visit = visit_of(key, LOCK.public_key)
    outcome, answers = asyncio.run(play())
    assert outcome.reason == event.GRANTED
    assert answers == ((NO, b""), (RECEIPT, b"")) and visit.phone.receipts == [receipt()]


def test_answers_in_words():
    def words(reason, **changed):
        fields = {"door": "a/b", "trouble": "", "list_version": 1, "nonce": None, "receipts": [], **changed}
        return Outcome(reason=reason, **fields).text()

    assert words(event.GRANTED, receipts=["x.receipt"]) == "The door is open.\nThe receipt is in x.receipt."
    assert words(event.TORN) == "The door stays closed: torn."
    assert words(200) == "The door stays closed: reason_200."
    assert words(None) == "The lock hung up without a word."
    assert words(None, trouble="There was no connection: no.") == "There was no connection: no."
    assert bytes(16).hex() in words(event.TIME_UNKNOWN, nonce=bytes(16))
