"""`lobbylock credential delegate`, and codes of residents and staff, as a person meets them."""

import base64
import json
import time
from typing import Any

import ndef
import pytest

from firmware.core import chain, credential, keycode, proof
from lobbylock.delegation import is_signed_es256, keys_of, parse_chain
from lobbylock.grant import parse_holder
from lobbylock.trial import KnownIssuer

DOOR = "maple-12/front"
# In the last hour of four weeks no window holds a code of an hour.
pytestmark = pytest.mark.usefixtures("noon")


@pytest.fixture
def anna(run, home, tmp_path):
    """Returns a resident with a phone: the credential's file and the key's."""
    assert run("door", "new", DOOR, "--zone", "America/New_York", "--area", "lobby", "--area", "roof")[0] == 0
    key, file = tmp_path / "anna.pem", tmp_path / "anna.cred"
    assert run("phone", "new", str(key))[0] == 0
    code, _, error = run(
        "credential", "mint", "Anna", "--building", "maple-12", "--role", "resident", "--area", "lobby",
        "--area", "roof", "--for", "30d", "--uses", "9", "--holder", str(key), "--out", str(file),
    )  # fmt: skip
    assert code == 0, error
    return str(file), str(key)


def delegate(run, anna, *arguments) -> tuple[Any, str]:
    """Returns what was made, None if nothing, and what was said."""
    file, key = anna
    code, text, error = run("credential", "delegate", file, "Vera", "--key", key, *arguments, "--json")
    return (json.loads(text) if code == 0 else None), error


def check(run, data, *arguments):
    code, text, _ = run("credential", "check", data, "--door", DOOR, "--json", *arguments)
    values = json.loads(text)
    assert values["granted"] == (code == 0)
    return values["reason"]


def test_what_is_made_goes_over_nothing_that_is_read(run, anna):
    before = [open(path, "rb").read() for path in anna]
    for path in anna:
        for option in ("--out", "--ndef"):
            made, error = delegate(run, anna, option, path)
            assert made is None and "would be overwritten" in error
    mint = ("credential", "mint", "Vera", "--building", "maple-12", "--holder", anna[1], "--out", anna[1])
    code, _, error = run(*mint)
    assert code == 2 and "would be overwritten" in error
    assert [open(path, "rb").read() for path in anna] == before


def test_a_visitor_is_let_in(run, home, anna):
    made, error = delegate(run, anna)
    assert error == "" and made is not None
    assert (made["subject"], made["issuer"], made["role"], made["uses"]) == ("Vera", "Anna", "visitor", 1)
    assert made["areas"] == ["lobby", "roof"] and made["expires_s"] == time.time() + 86_400
    assert (made["parent"]["subject"], made["parent"]["role"], made["parent"]["uses"]) == ("Anna", "resident", 9)
    data = bytes.fromhex(made["hex"])
    assert made["size"] == len(data) <= credential.MAX_CHAIN_BYTES
    issuer = home.issuer().keys[-1]
    found = chain.read(data, {issuer.kid: KnownIssuer(issuer.name, issuer.public_key)}, is_signed_es256)
    assert found.role == credential.VISITOR and found.parent is not None
    assert keys_of(data) == [found.key, found.parent.key]
    assert check(run, made["base64url"]) == "granted"
    assert check(run, made["base64url"], "--used", "1") == "already_used"
    assert check(run, made["base64url"], "--via", "ble") == "no_bearer"
    assert check(run, made["base64url"], "--at", "+2d") == "expired"
    # Each one has an id of its own.
    assert delegate(run, anna)[0]["id"] != made["id"]


def test_shown_with_who_lets_in(run, anna):
    made, _ = delegate(run, anna, "--hours", "Sat,Sun 10:00-18:00", "--area", "lobby", "--uses", "2")
    shown = json.loads(run("credential", "show", made["hex"], "--json")[1])
    assert shown == {name: made[name] for name in shown} and shown["hours"] == ["Sat,Sun 10:00-18:00"]
    code, text, _ = run("credential", "show", made["hex"])
    assert code == 0 and "let in by:" in text and "Anna" in text and "visitor" in text


def test_onto_a_badge_and_a_phone(run, anna, tmp_path):
    ndef_file, out = tmp_path / "vera.ndef", tmp_path / "vera.cred"
    made, error = delegate(run, anna, "--ndef", str(ndef_file), "--tag", "ntag216", "--out", str(out))
    assert error == "" and made is not None
    assert ndef.find(ndef_file.read_bytes(), proof.MEDIA_TYPE) == out.read_bytes() == bytes.fromhex(made["hex"])
    assert check(run, str(ndef_file)) == check(run, str(out)) == "granted"
    made, error = delegate(run, anna, "--tag", "ntag213")
    assert made is None and "The tag has room for 144 bytes" in error
    # Bound to the visitor's own phone it opens by nothing else.
    key = tmp_path / "vera.pem"
    assert run("phone", "new", str(key))[0] == 0
    made, _ = delegate(run, anna, "--holder", str(key))
    assert parse_chain(bytes.fromhex(made["hex"])).holder == parse_holder(str(key))
    assert check(run, made["hex"]) == check(run, made["hex"], "--via", "ble") == "granted"
    assert check(run, made["hex"], "--via", "badge") == "no_bearer"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--area", "garage"), "does not lead to garage, only to lobby, roof"),
        (("--for", "31d"), "ends at "),
        (("--from", "-1d"), "begins at "),
        (("--uses", "10"), "is for 9 uses, so it cannot give 10"),
        (("--uses", "0"), "is for 9 uses, so it cannot give any number"),
        (("--uses", "300"), "1 to 255 uses"),
        (("--for", "1h", "--until", "+2h"), "not both"),
        (("--hours", "always"), "no weekly hours"),
        (("--holder", "00"), "neither 128 hex digits"),
        (("--form", "cbor"), "A form is one of"),
        (("--from", "+2d", "--until", "+1d"), "ends after it begins"),
    ],
)
def test_nothing_wider_is_made(run, anna, tmp_path, arguments, sentence):
    out = tmp_path / "none.cred"
    made, error = delegate(run, anna, *arguments, "--out", str(out))
    assert made is None and sentence in error and not out.exists()


def test_who_lets_nobody_in(run, anna, tmp_path):
    _, key = anna
    mint = ("credential", "mint", "Dan", "--building", "maple-12", "--json")
    driver = json.loads(run(*mint, "--holder", key)[1])["hex"]
    badge = json.loads(run(*mint, "--role", "resident", "--uses", "1")[1])["hex"]
    visitor, _ = delegate(run, anna, "--holder", key)
    for data, sentence in (
        (driver, "Only residents let visitors in"),
        (badge, "names no holder's key"),
        (visitor["hex"], "A visitor cannot let others in"),
        ("00" * 40, "That is not a credential"),
    ):
        made, error = delegate(run, (data, key))
        assert made is None and sentence in error
    other = tmp_path / "other.pem"
    assert run("phone", "new", str(other))[0] == 0
    made, error = delegate(run, (anna[0], str(other)))
    assert made is None and "not the one that the resident's credential names" in error


def test_a_forged_one_is_told_as_a_lock_would(run, anna):
    made, _ = delegate(run, anna)
    data = bytearray.fromhex(made["hex"])
    data[-1] ^= 1
    assert check(run, data.hex()) == "forged"
    assert check(run, base64.urlsafe_b64encode(bytes(data[:-1])).decode()) == "malformed"


@pytest.mark.parametrize(("role", "code_class"), [("resident", 7), ("staff", 8)])
def test_codes_of_residents_and_staff(run, home, anna, role, code_class):
    code, text, error = run("code", DOOR, "Rosa", "--role", role, "--json")
    values = json.loads(text)
    assert (code, error) == (0, "") and (values["role"], values["class"]) == (role, code_class)
    assert values["until_s"] - values["from_s"] == 28 * 86_400 and not values["single_use"]
    claim = keycode.Checker(home.code_key(home.door(DOOR)), home.door(DOOR).tag).check(values["code"], int(time.time()))
    assert claim.details()[20] == {"resident": 2, "staff": 3}[role]
    people = json.loads(run("driver", "list", DOOR, "--json")[1])
    assert [(each["driver"], each["role"], each["slot"]) for each in people] == [("Rosa", role, 0)]
    assert "Rosa" in run("driver", "list", DOOR)[1]
    # A name has one role, and a class goes by its role only.
    for arguments, sentence in (
        (("Rosa",), f"listed at {DOOR} as {role}"),
        (("Ben", "--class", str(code_class)), "ask for it with --role"),
        (("Rosa", "--role", role, "--once"), f"A code of {role} is for 28 days and any number of uses"),
        (("Rosa", "--role", role, "--class", "4"), f"A code of {role} is for 28 days and any number of uses"),
        (("Rosa", "--role", role, "--for", "29d"), "No single window holds"),
        (("Rosa", "--role", "visitor"), "A role is one of driver, resident, staff"),
    ):
        code, _, error = run("code", DOOR, *arguments)
        assert code == 2 and sentence in error, arguments
    # Drivers have theirs as before.
    values = json.loads(run("code", DOOR, "Ben", "--json")[1])
    assert (values["role"], values["slot"]) == ("driver", 1) and values["class"] in (0, 1, 2, 3, 4)


def test_code_of_the_same_grant_has_its_role(run, anna):
    code, text, error = run(
        "credential", "mint", "Rosa", "--building", "maple-12", "--role", "resident", "--code", DOOR, "--for", "1h",
        "--json",
    )  # fmt: skip
    assert code == 0, error
    values = json.loads(text)
    assert (values["code"] is None) == bool(values["code_note"])
    assert values["code"] is None or values["code"][1] == "7"
