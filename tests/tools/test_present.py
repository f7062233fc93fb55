"""`lobbylock phone wallet` and `phone present`, as far as they get without a door; tests/scenario has one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import cbor
import cose
import pytest
from test_ble_phone import LOCK, Line, Lock, receipt

from firmware.core import event, proof
from lobbylock import ble_phone, phone, present_command
from lobbylock.ble_phone import NO, RECEIPT, RESULT
from lobbylock.ble_radio import Radio
from lobbylock.bulletin import make_list, make_token
from lobbylock.errors import UserError
from lobbylock.present_command import Outcome, Presentation
from lobbylock.wallet import Wallet

KEY_HEX = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
# In the form of a list's head, and no list of fields in it.
MAP = cose.pack(cbor.encode({1: bytes(30)}), bytes(64), b"\xa1\x01\x27")


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


@pytest.fixture
def mint(run, tmp_path):
    """`mint("Anna", ...)` -> the file of a credential for maple-12."""

    def make(subject, *options):
        path = tmp_path / f"{subject}.cwt"
        code, _, error = run("credential", "mint", subject, "--building", "maple-12", "--out", str(path), *options)
        assert code == 0, error
        return path

    return make


@pytest.fixture
def chain(run, key, mint, tmp_path):
    """The file of a chain: Anna, who has a key of her own, lets in who has `key`."""
    anna, path = tmp_path / "anna.pem", tmp_path / "visitor.cwt"
    phone.save_key(anna, phone.new_key())
    parent = mint("Anna", "--role", "resident", "--holder", str(anna))
    options = ("--key", str(anna), "--holder", str(key), "--out", str(path))
    assert run("credential", "delegate", str(parent), "Vera", *options)[0] == 0
    return path


def test_wallet_file(run, key, lock, mint, tmp_path):
    path, data = tmp_path / "wallet.json", mint("Vera", "--holder", str(key))
    options = ["--credential", str(data), "--key", str(key), "--door", lock.name]
    code, _, error = run("phone", "wallet", str(path), *options, "--door", f"maple-12/yard={KEY_HEX}")
    assert code == 0 and "2 doors" in error
    assert path.stat().st_mode & 0o777 == 0o600
    held, doors = Wallet.load(path), {lock.name: lock.public_key, "maple-12/yard": bytes.fromhex(KEY_HEX)}
    assert held == Wallet(data.read_bytes(), key, doors)
    # A wallet may be written anew.
    assert run("phone", "wallet", str(path), *options)[0] == 0 and len(Wallet.load(path).doors) == 1


def test_wallet_of_a_visitor(run, key, lock, chain, tmp_path):
    path = tmp_path / "wallet.json"
    options = ("--credential", str(chain), "--door", lock.name)
    assert run("phone", "wallet", str(path), "--key", str(key), *options)[0] == 0
    assert Wallet.load(path).credential == chain.read_bytes()
    # What it hangs on is the resident's, and so is the resident's key.
    path.unlink()
    code, _, error = run("phone", "wallet", str(path), "--key", str(tmp_path / "anna.pem"), *options)
    assert code == 2 and "names another key" in error and not path.exists()


@pytest.mark.parametrize(
    "credential, door, sentence",
    [
        (None, "maple-12/none", "no door"),
        (None, "maple-12/front=00", "64 hex digits"),
        (None, f"front={KEY_HEX}", "BUILDING/DOOR"),
        (None, f"oak-3/yard={KEY_HEX}", "is for maple-12: leave out --door oak-3/yard"),
        ("ab" * 1_025, f"maple-12/front={KEY_HEX}", "1 to 1024 bytes"),
        ("ab" * 300, f"maple-12/front={KEY_HEX}", "not a credential: give one"),
        ("82" + "ab" * 299, f"maple-12/front={KEY_HEX}", "not a credential: give one"),
        ("nothing", f"maple-12/front={KEY_HEX}", "neither a file nor a credential"),
    ],
)
def test_what_is_no_wallet(run, key, mint, tmp_path, credential, door, sentence):
    path, credential = tmp_path / "wallet.json", credential or str(mint("Vera", "--holder", str(key)))
    code, _, error = run("phone", "wallet", str(path), "--key", str(key), "--credential", credential, "--door", door)
    assert code == 2 and sentence in error and error.count("\n") == 1
    assert not path.exists()


def test_wallets_without_the_key_that_is_named(run, key, mint, tmp_path):
    path, other = tmp_path / "wallet.json", tmp_path / "other.pem"
    phone.save_key(other, phone.new_key())
    options = ("--key", str(key), "--door", f"maple-12/front={KEY_HEX}")
    for options_of, sentence in (("--holder", str(other)), "names another key"), ((), "names no phone's key"):
        data = mint("Vera", *options_of)
        code, _, error = run("phone", "wallet", str(path), "--credential", str(data), *options)
        assert code == 2 and sentence in error and f"--holder {key}" in error and not path.exists()


def test_a_wallet_goes_over_nothing_that_it_is_made_from(run, key, mint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.json").symlink_to(key)
    data = mint("Vera", "--holder", str(key))
    before = key.read_bytes(), data.read_bytes()
    options = ("--credential", str(data), "--key", str(key), "--door", f"maple-12/front={KEY_HEX}")
    for path in (str(key), "phone.pem", f"../{tmp_path.name}/phone.pem", "link.json", str(data), "Vera.cwt"):
        code, _, error = run("phone", "wallet", path, *options)
        assert code == 2 and "would be overwritten" in error and error.count("\n") == 1
    assert (key.read_bytes(), data.read_bytes()) == before and (tmp_path / "link.json").is_symlink()


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


def test_a_receipt_goes_over_nothing_that_is_read(run, wallet, key, news, monkeypatch):
    async def find(*_):
        raise AssertionError("a door is looked for")

    monkeypatch.setattr(Radio, "find", find)
    brought = ("--list", str(news["list"]), "--token", str(news["token"]))
    for path in (wallet, key, news["list"], news["token"]):
        before = path.read_bytes()
        code, _, error = run("phone", "present", str(wallet), *brought, "--receipt", str(path))
        assert code == 2 and "would be overwritten" in error and path.read_bytes() == before


@pytest.fixture
def news(home, tmp_path):
    """Files with a list and a token of maple-12 and its front door, and of oak-3."""
    signer, nonce = home.issuer().signer, bytes(16)
    made = {
        "list": make_list(signer, "maple-12", 3, [bytes(8)]),
        "token": make_token(signer, "maple-12/front", nonce, 1_789_992_000),
        "other list": make_list(signer, "oak-3", 3, []),
        "other token": make_token(signer, "oak-3/front", nonce, 1_789_992_000),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in made}


def test_news_come_along(run, wallet, news, monkeypatch):
    phones = []

    async def play(visit, *_):
        phones.append(visit.phone)
        return visit._outcome(None, "")

    monkeypatch.setattr(Presentation, "play", play)
    brought = ("--list", str(news["list"]), "--token", str(news["token"]))
    assert run("phone", "present", str(wallet), *brought)[0] == 1
    assert phones[0].piece(phone.LIST, 0, 8_190) == news["list"].read_bytes()
    assert phones[0].piece(phone.TOKEN, 0, 200) == news["token"].read_bytes()


@pytest.mark.parametrize("data", [None, b"", bytes(8_191), b"no news at all", b"\x82\x01", MAP])
def test_news_that_are_none(run, wallet, tmp_path, news, data):
    file = tmp_path / "news"
    if data is not None:
        file.write_bytes(data)
    # One is not the other, and a piece or the hex digits of one are not it.
    for option in ("--list", "--token"):
        code, _, error = run("phone", "present", str(wallet), option, str(file))
        assert code == 2 and "lobbylock news" in error and error.count("\n") == 1
    for option, name in (("--list", "list"), ("--token", "token")):
        good = news[name].read_bytes()
        for wrong in (
            good[:-1],
            good + bytes(1),
            good.hex().encode(),
            news["token" if name == "list" else "list"].read_bytes(),
        ):
            file.write_bytes(wrong)
            code, _, error = run("phone", "present", str(wallet), option, str(file))
            assert code == 2 and f"`lobbylock news {name}" in error


def test_news_of_other_doors(run, wallet, news):
    for option, name, whose in (("--list", "other list", "oak-3"), ("--token", "other token", "oak-3/front")):
        code, _, error = run("phone", "present", str(wallet), option, str(news[name]))
        assert code == 2 and f"{whose}, and maple-12/front would not take it: leave it out." in error


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
    # A shell has what it starts in the background ignore Ctrl-C, and that would be inherited.
    code = "import asyncio, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from lobbylock.present_command import _wait_for_enter as wait; asyncio.run(wait('a/b'))"
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


def test_receipts_of_others_are_not_confirmed(key, monkeypatch):
    # Both ends share one thread, and a machine that stands still is not a silent lock.
    for name in ("_HELLO_S", "_COMMAND_S", "_QUIET_S"):
        monkeypatch.setattr(ble_phone, name, 1_000.0)

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
