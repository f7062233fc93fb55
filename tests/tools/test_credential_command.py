"""`lobbylock credential`, `issuer rotate` and `door revoke`, as a person meets them."""

import base64
import json

import cbor
import ndef
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware.core import credential, keycode, proof
from firmware.store import settings
from lobbylock.errors import UserError
from lobbylock.hours import format_hours, parse_hours

DOOR = "maple-12/front"
# RFC 8392 appendix A.2.3.
HOLDER = (
    "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f"
    "60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9"
)
MINT = ("credential", "mint", "Anna", "--building", "maple-12")


@pytest.fixture
def door(run) -> str:
    code, _, error = run("door", "new", DOOR, "--zone", "America/New_York")
    assert (code, error) == (0, "")
    return DOOR


def mint(run, *arguments: str) -> dict:
    code, text, error = run(*MINT, *arguments, "--json")
    assert (code, error) == (0, "")
    return json.loads(text)


def check(run, data: str, *arguments: str) -> str:
    """Returns the reason, "granted" going with exit code 0 and every other one with 1."""
    code, text, error = run("credential", "check", data, "--json", *arguments)
    assert error == "", error
    values = json.loads(text)
    assert values["granted"] == (code == 0) == (values["reason"] == "granted")
    return values["reason"]


def test_mint_and_show(run, home, door):
    made = mint(
        run, "--role", "resident", "--area", "lobby", "--area", "roof", "--from", "2090-09-18T12:00Z",
        "--until", "2090-10-21T12:00Z", "--hours", "mon-fri 8:00-18:00", "--hours", "Sat,Sun 22:00-06:00",
        "--uses", "5", "--holder", HOLDER,
    )  # fmt: skip
    assert made["size"] <= 300 and bytes.fromhex(made["hex"]) == base64.urlsafe_b64decode(made["base64url"] + "==")
    shown = json.loads(run("credential", "show", made["base64url"], "--json")[1])
    assert shown == {name: made[name] for name in shown}
    assert {name: shown[name] for name in ("subject", "building", "role", "areas", "uses", "holder", "issuer")} == {
        "subject": "Anna", "building": "maple-12", "role": "resident", "areas": ["lobby", "roof"], "uses": 5,
        "holder": HOLDER, "issuer": "tester",
    }  # fmt: skip
    assert shown["hours"] == ["Mon-Fri 08:00-18:00", "Sat,Sun 22:00-06:00"]
    assert (shown["not_before_s"], shown["expires_s"]) == (3_809_419_200, 3_812_270_400)
    assert len(bytes.fromhex(shown["id"])) == 8 and shown["kid"] == home.issuer().keys[0].kid.hex()
    text = run("credential", "show", made["hex"])[1]
    assert "Anna" in text and "Sat,Sun 22:00-06:00" in text and "2090-10-21T12:00:00Z" in text


def test_output_for_a_pipe(run, door):
    code, text, error = run(*MINT)
    assert code == 0 and text.count("\n") == 1 and "Anna, driver at maple-12" in error
    assert json.loads(run("credential", "show", text.strip(), "--json")[1])["subject"] == "Anna"
    code, text, _ = run(*MINT, "--form", "hex")
    assert bytes.fromhex(text.strip())[:5] == b"\x84\x43\xa1\x01\x27"


def test_no_two_are_alike(run, door):
    assert len({mint(run)["id"] for _ in range(5)}) == 5


def test_files(run, door, tmp_path):
    out, badge, hexed = tmp_path / "c.cwt", tmp_path / "c.ndef", tmp_path / "c.txt"
    made = mint(
        run, "--out", str(out), "--ndef", str(badge), "--tag", "ntag215", "--page", "https://maple.example/help"
    )
    assert out.read_bytes().hex() == made["hex"]
    assert ndef.find(badge.read_bytes(), proof.MEDIA_TYPE) == out.read_bytes()
    assert b"\x04maple.example/help" in badge.read_bytes()
    hexed.write_text(made["hex"] + "\n")
    for path in (out, badge, hexed):
        assert json.loads(run("credential", "show", str(path), "--json")[1])["id"] == made["id"], path


def test_a_badge_that_does_not_fit_its_tag(run, door, tmp_path):
    badge = tmp_path / "c.ndef"
    code, text, error = run(*MINT, "--ndef", str(badge), "--tag", "NTAG213")
    assert (code, text) == (2, "") and "room for 144 bytes" in error and not badge.exists()
    assert run(*MINT, "--ndef", str(badge), "--tag", "ntag216")[0] == 0


def test_a_badge_that_no_lock_would_read(run, door, tmp_path):
    out, badge = tmp_path / "c.cwt", tmp_path / "c.ndef"
    files = ("--out", str(out), "--ndef", str(badge), "--form", "hex")
    code, text, error = run(*MINT, *files, "--page", "m.example/" + "x" * 1_000)
    assert (code, text) == (2, "") and "locks read 1024" in error and not out.exists() and not badge.exists()
    # 300, since from 256 bytes on the head of a record is longer.
    room = 1_024 - len(ndef_of(run, badge, "--page", "m" * 300)) + 300
    assert len(ndef_of(run, badge, "--page", "m" * room)) == 1_024
    assert ndef.find(badge.read_bytes(), proof.MEDIA_TYPE)
    assert run(*MINT, "--ndef", str(badge), "--page", "m" * (room + 1))[0] == 2


def ndef_of(run, path, *arguments: str) -> bytes:
    assert run(*MINT, "--ndef", str(path), *arguments)[0] == 0
    return path.read_bytes()


@pytest.mark.parametrize("page", ["m.example/a b", "https://m\u00fcnchen.example", "m.example/\n", "m.example/\x7f"])
def test_a_page_that_is_no_address(run, door, tmp_path, page):
    badge = tmp_path / "c.ndef"
    code, text, error = run(*MINT, "--ndef", str(badge), "--page", page)
    assert (code, text) == (2, "") and "printable ASCII" in error and not badge.exists()


def test_a_badge_that_few_doors_take_is_noted(run, door):
    for arguments, is_noted in (
        ((), True),
        (("--uses", "2"), True),
        (("--uses", "1"), False),
        (("--holder", HOLDER), False),
    ):
        code, text, error = run(*MINT, *arguments)
        assert code == 0 and text.count("\n") == 1 and ("--bearer short" in error) == is_noted, arguments
        # In JSON nothing is noted.
        mint(run, *arguments)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("building", 12),
        ("building", None),
        ("zone", 1),
        ("bearer", ["off"]),
        ("bearer_s", True),
        ("bearer_s", "86400"),
        ("areas", "lobby"),
        ("areas", {"lobby": 1}),
        ("revoked", None),
        ("issuers", {}),
        ("issuers", [1]),
        ("issuers", [{"kid": "00", "name": 5, "key": "00" * 32}]),
    ],
)
def test_settings_of_another_type(run, door, tmp_path, name, wrong):
    path = tmp_path / "settings.json"
    run("door", "settings", DOOR, "--out", str(path))
    data = mint(run, "--uses", "1")["hex"]
    assert check(run, data, "--settings", str(path)) == "granted"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: wrong}))
    code, text, error = run("credential", "check", data, "--settings", str(path))
    assert (code, text) == (2, "") and error.startswith("lobbylock: ") and "of another type" in error


def test_used_is_a_count(run, door):
    data = mint(run, "--uses", "1")["hex"]
    code, text, error = run("credential", "check", data, "--door", DOOR, "--used", "-1")
    assert (code, text) == (2, "") and "--used" in error


def test_malformed_comes_with_a_hint(run, door):
    data = mint(run, "--uses", "1")["hex"][:-2]
    code, text, error = run("credential", "check", data, "--door", DOOR)
    assert code == 1 and text.startswith("malformed (") and "RFC 8949 section 4.2.1" in error
    assert "RFC 8949 section 4.2.1" in run("credential", "show", data)[2]
    assert "No credential was given" in run("credential", "show", "")[2]


def test_check_decides_as_the_lock(run, home, door, tmp_path):
    made = mint(run, "--from", "2090-09-18T12:00Z", "--for", "1d", "--holder", HOLDER, "--uses", "3")
    at = ("--door", DOOR, "--at", "2090-09-18T13:00Z")
    assert check(run, made["hex"], *at) == "granted"
    assert check(run, made["hex"], *at, "--used", "2") == "granted"
    assert check(run, made["hex"], *at, "--used", "3") == "already_used"
    assert check(run, made["hex"], *at, "--via", "badge") == "no_bearer"
    assert check(run, made["hex"], "--door", DOOR, "--at", "2090-09-18T11:59:59Z") == "not_yet_valid"
    assert check(run, made["hex"], "--door", DOOR, "--at", "2090-09-19T12:00:00Z") == "expired"
    forged = made["hex"][:-2] + ("00" if made["hex"][-2:] != "00" else "01")
    assert check(run, forged, *at) == "forged"
    assert check(run, made["hex"][:-2], *at) == "malformed"
    run("door", "new", "oak-3/front")
    run("door", "new", "maple-12/garage", "--area", "garage")
    assert check(run, made["hex"], "--door", "oak-3/front", *at[2:]) == "other_building"
    assert check(run, made["hex"], "--door", "maple-12/garage", *at[2:]) == "wrong_area"
    path = tmp_path / "settings.json"
    run("door", "settings", DOOR, "--out", str(path))
    assert check(run, made["hex"], "--settings", str(path), *at[2:]) == "granted"
    code, text, _ = run("credential", "check", made["hex"], *at)
    assert code == 0 and "once the phone has proven" in text
    code, text, _ = run("credential", "check", forged, *at)
    assert code == 1 and text.startswith("forged (maple-12")


def test_hours_are_the_building_s(run, door):
    made = mint(run, "--from", "2090-09-18T00:00Z", "--for", "7d", "--holder", HOLDER, "--hours", "Mon-Fri 08:00-18:00")
    # 08:00 in New York is 12:00 UTC.
    assert check(run, made["hex"], "--door", DOOR, "--at", "2090-09-18T11:59Z") == "outside_hours"
    assert check(run, made["hex"], "--door", DOOR, "--at", "2090-09-18T12:00Z") == "granted"


def test_settings_are_what_the_firmware_reads(run, home, tmp_path):
    path = tmp_path / "settings.json"
    options = ("--zone", "Europe/Berlin", "--area", "lobby", "--area", "mail-room", "--bearer", "short")
    assert run("door", "new", DOOR, *options, "--bearer-for", "12h", "--nfc", "uart", "--keypad", "wiegand")[0] == 0
    assert run("door", "revoke", DOOR, "00" * 8)[0] == run("issuer", "rotate")[0] == 0
    assert run("door", "settings", DOOR, "--out", str(path))[0] == 0
    config = settings.load(str(path))
    assert config.issuers == [(key.kid, "tester", key.public_key) for key in home.issuer().keys] != []
    assert (config.areas, config.bearer, config.bearer_s) == (["lobby", "mail-room"], "short", 43_200)
    assert (config.nfc, config.keypad, config.revoked) == ("uart", "wiegand", [bytes(8)])
    assert config.zone.offset_s(1_789_992_000) == 7_200


def test_bearer_policy(run):
    for policy in ("off", "single-use", "short"):
        run("door", "new", f"maple-12/{policy}", "--bearer", policy, "--bearer-for", "12h")
    once, short, long = mint(run, "--uses", "1"), mint(run, "--for", "12h"), mint(run, "--for", "13h")
    found = {
        policy: [check(run, made["hex"], "--door", f"maple-12/{policy}") for made in (once, short, long)]
        for policy in ("off", "single-use", "short")
    }
    assert found == {
        "off": ["no_bearer"] * 3,
        "single-use": ["granted", "no_bearer", "no_bearer"],
        "short": ["granted", "granted", "no_bearer"],
    }
    # What the command says when it makes one is what the doors do.
    for number, options in enumerate((("--uses", "1"), ("--for", "12h"), ("--for", "13h"))):
        code, _, said = run(*MINT, *options)
        assert code == 0
        named = {policy for policy in found if f"maple-12/{policy} (takes " in said}
        assert named == {policy for policy, reasons in found.items() if reasons[number] == "no_bearer"}, said
    assert "do not open" not in run(*MINT, "--holder", HOLDER)[2]


def test_keys_follow_each_other(run, home, door):
    first = mint(run, "--uses", "1")
    code, text, _ = run("issuer", "rotate")
    second = mint(run, "--uses", "1")
    assert code == 0 and second["kid"] in text and DOOR in text and first["kid"] != second["kid"]
    keys = json.loads(run("issuer", "keys", "--json")[1])
    assert [key["kid"] for key in keys] == [first["kid"], second["kid"]]
    for made in (first, second):
        assert check(run, made["hex"], "--door", DOOR) == "granted"
    written = json.loads(run("door", "settings", DOOR, "--out", "-")[1])
    assert [item["kid"] for item in written["issuers"]] == [first["kid"], second["kid"]]
    assert run("issuer", "retire", second["kid"])[0] == 2
    assert run("issuer", "retire", first["kid"].upper())[0] == 0
    assert check(run, first["hex"], "--door", DOOR) == "unknown_issuer"
    assert check(run, second["hex"], "--door", DOOR) == "granted"
    assert run("issuer", "retire", first["kid"])[0] == 2
    for _ in range(3):
        assert run("issuer", "rotate")[0] == 0
    code, _, error = run("issuer", "rotate")
    assert code == 2 and "4 keys at most" in error and len(home.issuer().seeds) == 4


def test_seeds_are_told_to_nobody(run, home, door):
    said = "".join(run(*arguments)[1] for arguments in (("issuer", "rotate"), ("issuer", "keys"), (*MINT, "--json")))
    assert not any(seed.hex() in said for seed in home.issuer().seeds)


def test_a_home_of_the_first_release(run, home, door):
    path = home.path / "issuer.json"
    value = json.loads(path.read_text())
    value["ed25519_seed"] = value.pop("ed25519_seeds")[0]
    path.write_text(json.dumps(value))
    record = json.loads(home.door_path(DOOR).read_text())
    for name in ("areas", "zone", "bearer", "bearer_s", "revoked", "nfc", "keypad"):
        del record["options"][name]
    home.door_path(DOOR).write_text(json.dumps(record))
    made = mint(run, "--uses", "1")
    public_key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(value["ed25519_seed"])).public_key()
    assert home.issuer().keys[0].public_key == public_key.public_bytes_raw()
    assert check(run, made["hex"], "--door", DOOR) == "granted"
    assert run("issuer", "rotate")[0] == 0 and len(home.issuer().seeds) == 2


def test_revoked(run, home, door):
    made = mint(run, "--uses", "1")
    code, text, _ = run("door", "revoke", DOOR, made["id"].upper(), made["id"])
    assert code == 0 and "door settings" in text and home.door(DOOR).options.revoked == [made["id"]]
    assert check(run, made["hex"], "--door", DOOR) == "revoked"
    assert run("door", "revoke", DOOR, made["id"])[0] == 0 and home.door(DOOR).options.revoked == [made["id"]]
    assert run("door", "revoke", DOOR, "xyz")[0] == run("door", "revoke", DOOR, "00" * 7)[0] == 2
    ids = [f"{number:016x}" for number in range(64)]
    assert run("door", "revoke", DOOR, *ids)[0] == 2 and home.door(DOOR).options.revoked == [made["id"]]


def test_holder_from_pem(run, door, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    x_y = f"{numbers.x:064x}{numbers.y:064x}"
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    no = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    for given in (str(private), str(public), x_y.upper()):
        assert mint(run, "--holder", given)["holder"] == x_y
    other = tmp_path / "ed25519.pem"
    ed = Ed25519PrivateKey.generate()
    other.write_bytes(ed.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no))
    (tmp_path / "noise.pem").write_bytes(b"\xff" * 100)
    for given in (
        str(other),
        str(tmp_path / "noise.pem"),
        str(tmp_path / "missing.pem"),
        "00" * 64,
        HOLDER[:-1],
        "zz" * 64,
    ):
        code, text, error = run(*MINT, "--holder", given)
        assert (code, text) == (2, "") and error.count("\n") == 1, given


def test_a_keypad_code_of_the_same_grant(run, home, door):
    times = ("--from", "2090-09-18T12:00Z", "--for", "4h")
    made = mint(run, *times, "--code", DOOR)
    checker = keycode.Checker(home.code_key(home.door(DOOR)), home.door(DOOR).tag)
    claim = checker.check(made["code"], made["not_before_s"])
    assert (claim.outcome, home.door(DOOR).driver_at(claim.slot, made["not_before_s"])) == (keycode.VALID, "Anna")
    assert checker.check(made["code"], made["expires_s"] - 1).outcome == keycode.VALID
    once = mint(run, *times, "--uses", "1", "--code", DOOR)
    assert once["code"][1] == str(keycode.SINGLE_USE)
    for arguments in (
        (*times, "--uses", "2"),
        (*times, "--hours", "daily 08:00-18:00"),
        ("--from", "2090-09-18T12:00Z", "--for", "90d"),
        (*times, "--uses", "1"),
    ):
        values = mint(run, *arguments, "--code", DOOR)
        assert values["code"] is None and values["code_note"].startswith("No keypad code: "), arguments
    run("door", "new", "oak-3/front")
    assert run(*MINT, *times, "--code", "oak-3/front")[0] == 2


def test_mistakes_are_one_sentence(run, door, tmp_path):
    good = mint(run)["hex"]
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "long").write_bytes(b"x" * 5_000)
    (tmp_path / "settings.json").write_text('{"building": "maple-12"}')
    mint_here = ("credential", "mint")
    for arguments in [
        (*mint_here, "", "--building", "maple-12"),
        (*mint_here, "x" * 33, "--building", "maple-12"),
        (*mint_here, "\u00e4" * 17, "--building", "maple-12"),
        (*mint_here, "An\x1bna", "--building", "maple-12"),
        (*mint_here, "Anna"),
        (*mint_here, "Anna", "--building", "Maple 12"),
        (*MINT, "--role", "owner"),
        (*MINT, "--form", "base32"),
        (*MINT, "--area", "Lobby"),
        (*MINT, *("--area", "a") * 9),
        (*MINT, "--from", "soon"),
        (*MINT, "--until", "-1d"),
        (*MINT, "--from", "-3d", "--until", "-1d"),
        (*MINT, "--until", "+1d", "--for", "1d"),
        (*MINT, "--until", "2200-01-01"),
        (*MINT, "--for", "0h"),
        (*MINT, "--uses", "0"),
        (*MINT, "--uses", "256"),
        (*MINT, "--hours", "Mon-Fri"),
        (*MINT, *("--hours", "daily 08:00-09:00") * 8),
        (*MINT, "--tag", "ntag999"),
        (*MINT, "--out", str(tmp_path / "missing" / "c")),
        (*MINT, "--ndef", str(tmp_path)),
        (*MINT, "--code", "maple-12/nowhere"),
        (*MINT, "--holder", HOLDER, *("--area", "x" * 32) * 4),
        ("credential", "show", ""),
        ("credential", "show", "nothing"),
        ("credential", "show", "zz" * 200),
        ("credential", "show", "00" * 200),
        ("credential", "show", good[:-2]),
        ("credential", "show", str(tmp_path / "empty")),
        ("credential", "show", str(tmp_path / "long")),
        ("credential", "show", str(tmp_path)),
        ("credential", "show", "x" * 5_000),
        ("credential", "show", "\0"),
        ("credential", "check", good),
        ("credential", "check", good, "--door", DOOR, "--settings", str(tmp_path / "settings.json")),
        ("credential", "check", good, "--settings", str(tmp_path / "settings.json")),
        ("credential", "check", good, "--settings", str(tmp_path / "missing.json")),
        ("credential", "check", good, "--door", "maple-12/nowhere"),
        ("credential", "check", good, "--door", DOOR, "--via", "mail"),
        ("credential", "check", good, "--door", DOOR, "--at", "then"),
        ("credential", "check", "nothing", "--door", DOOR),
        ("issuer", "retire", "00"),
        ("door", "new", "oak-3/yard", "--zone", "Nowhere/City"),
        ("door", "new", "oak-3/yard", "--area", "Lobby"),
        ("door", "new", "oak-3/yard", "--bearer", "on"),
        ("door", "new", "oak-3/yard", "--bearer-for", "10s"),
        ("door", "new", "oak-3/yard", "--nfc", "i2c"),
        ("door", "new", "oak-3/yard", "--keypad", "touch"),
    ]:
        code, text, error = run(*arguments)
        assert (code, text) == (2, ""), (arguments, code, text, error)
        assert error.startswith("lobbylock: ") and error.count("\n") == 1, (arguments, error)
        assert "Traceback" not in error and len(error) < 1_500, (arguments, error)


def test_what_a_stranger_wrote_steers_no_terminal(run, door):
    claims = {
        1: "\x1b[2J", 2: "[bold]\x1b[31mx", 3: "maple-12", 4: 4_000_000_000, 7: bytes(8), -70001: 1, -70002: ["lobby"],
    }  # fmt: skip
    data = cbor.encode([b"\xa1\x01\x27", {4: b"kid"}, cbor.encode(claims), bytes(64)])
    code, text, _ = run("credential", "show", data.hex())
    assert code == 0 and "\x1b" not in text and "[bold]" in text


def test_issuer_s_name_stands_in_every_credential(run, home, tmp_path, monkeypatch):
    monkeypatch.setenv("LOBBYLOCK_HOME", str(tmp_path / "other"))
    code, _, error = run("issuer", "new", "--name", "x" * 33, "--home", str(tmp_path / "other"))
    assert code == 2 and "32 bytes" in error and not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("text", "expected", "again"),
    [
        ("Mon-Fri 08:00-18:00", [31, 480, 1080], None),
        ("daily 00:00-24:00", [127, 0, 1440], None),
        ("mon-sun  0:00-0:00", [127, 0, 1440], "daily 00:00-24:00"),
        ("Sat,Sun 22:00-06:00", [96, 1320, 360], None),
        ("Sat-Mon 10:00-12:30", [97, 600, 750], "Mon,Sat,Sun 10:00-12:30"),
        ("Wed 23:59-00:01", [4, 1439, 1], None),
        ("Mon-Wed,Fri 09:00-09:00", [23, 540, 540], None),
    ],
)
def test_weekly_hours(text, expected, again):
    assert parse_hours(text) == expected
    assert format_hours(*expected) == (again or text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mon",
        "08:00-18:00",
        "Mon 24:00-25:00",
        "Mon 08:60-09:00",
        "Mon 08:00-24:01",
        "Xyz 08:00-18:00",
        "Mon- 1:00-2:00",
    ]
    + ["Mon,,Tue 08:00-18:00", ",Mon 08:00-18:00", "Mon 08:00", "Mon\u2013Fri 08:00-18:00", "Mon 8-18"],
)
def test_what_are_no_weekly_hours(text):
    with pytest.raises(UserError):
        parse_hours(text)


def test_every_day_mask_is_written_and_read():
    for days in range(1, 128):
        assert parse_hours(format_hours(days, 60, 120)) == [days, 60, 120]


def test_what_is_minted_is_what_the_core_reads(run, door):
    kid, payload, _, _ = credential.unwrap(bytes.fromhex(mint(run)["hex"]))
    assert credential.parse(kid, payload).subject == "Anna"
