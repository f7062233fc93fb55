"""`lobbylock phone wallet` and `phone present`, as far as they get without a door; tests/scenario has one."""

import asyncio
import json
import sys
from typing import Any

import pytest

from firmware.core import event
from lobbylock import phone, present_command
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


def test_nobody_presses_enter(monkeypatch, key):
    class NoRadio(Radio):
        def __init__(self) -> None:
            pass

        async def find(self, doors, limit_s) -> Any:
            return next(iter(doors)), object()

        async def connect(self, device):
            raise AssertionError("connected without an act")

    monkeypatch.setattr(sys.stdin, "readline", lambda: "", raising=False)
    held = Wallet(b"credential", key, {"maple-12/front": bytes(32)})
    visit = Presentation(held, phone.Phone(b"credential", phone.load_key(key)), None)
    with pytest.raises(UserError, match="Enter"):
        asyncio.run(visit.play(NoRadio(), 1, present_command._wait_for_enter))


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
