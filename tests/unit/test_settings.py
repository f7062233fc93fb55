import json
import os

from firmware.core.errors import SettingsError
from firmware.store import settings

GOOD = {
    "version": 1,
    "building": "maple-12",
    "door": "front",
    "tag": 3,
    "code_key": "f9" * 32,
    "collector_key": "81" * 32,
    "mqtt_url": "mqtt://127.0.0.1:1884",
    "mqtt_user": "",
    "mqtt_password": "",
    "mqtt_ca": "",
    "mqtt_cert": "",
    "mqtt_key": "",
    "wifi_ssid": "lobby",
    "wifi_password": "secret",
    "ntp": "127.0.0.1:12300",
    "day_start_s": 0,
    "release_ms": 5000,
    "held_ms": 30000,
    "camera": "best-effort",
    "has_contact": True,
    "issuers": [],
    "areas": ["lobby"],
    "zone": "UTC0",
    "bearer": "single-use",
    "bearer_s": 86400,
    "revoked": [],
    "nfc": "off",
    "keypad": "matrix",
}
PATH = "/tmp/lobbylock-test-settings.json"

# The sequence INTEGER 1, as PEM of each kind. What is in it is the business of TLS.
DER = b"\x30\x03\x02\x01\x01"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"
KEY = CERTIFICATE.replace("CERTIFICATE", "PRIVATE KEY")


def changed(**fields):
    copy = dict(GOOD)
    copy.update(fields)
    return copy


def issuer(kid="6b31", name="maple-12", key="82" * 32):
    return {"kid": kid, "name": name, "key": key}


def refused(fields):
    try:
        settings.read(fields)
    except SettingsError as error:
        return error.args[0]
    raise AssertionError("taken")


def write(text):
    with open(PATH, "w") as file:
        file.write(text)


def load_refused():
    try:
        settings.load(PATH)
    except SettingsError as error:
        return error.args[0]
    raise AssertionError("taken")


def test_good_settings():
    read = settings.read(GOOD)
    assert read.full_name == "maple-12/front"
    assert (read.is_tls, read.mqtt, read.ntp) == (False, ("127.0.0.1", 1884), ("127.0.0.1", 12300))
    assert read.code_key == b"\xf9" * 32 and len(read.collector_key) == 32


def test_who_may_issue_credentials_and_where():
    read = settings.read(
        changed(
            issuers=[issuer(), issuer("6B32", key="83" * 32)],
            areas=["lobby", "mail-room"],
            zone="CET-1CEST,M3.5.0,M10.5.0/3",
            bearer="short",
            bearer_s=300,
            revoked=["00" * 8, "Ff" * 16],
            nfc="spi",
            keypad="wiegand",
        )
    )
    assert read.issuers == [(b"k1", "maple-12", b"\x82" * 32), (b"k2", "maple-12", b"\x83" * 32)]
    assert read.areas == ["lobby", "mail-room"] and read.revoked == [bytes(8), b"\xff" * 16]
    assert read.zone.offset_s(1_789_992_000) == 7_200
    assert (read.bearer, read.bearer_s, read.nfc, read.keypad) == ("short", 300, "spi", "wiegand")


def test_defaults_of_addresses():
    assert settings.read(changed(mqtt_url="mqtt://b")).mqtt == ("b", 1883)
    read = settings.read(changed(mqtt_url="mqtts://b", mqtt_ca=CERTIFICATE))
    assert read.mqtt == ("b", 8883) and read.is_tls
    assert settings.read(changed(mqtt_url="")).mqtt is None
    assert settings.read(changed(ntp="pool.example")).ntp == ("pool.example", 123)
    assert settings.read(changed(ntp="")).ntp is None


def test_every_field_is_required_and_no_other_is_known():
    for name in GOOD:
        fields = dict(GOOD)
        del fields[name]
        if name in ("mqtt_cert", "mqtt_key"):
            # Added later; boards with older settings go on with them.
            assert settings.read(fields).mqtt_key == b""
        else:
            assert refused(fields) == name
    assert refused(changed(opens="all")) == "opens"


def test_wrong_values_are_named():
    wrong = {
        "version": (0, 2, "1", True, None),
        "building": ("", "Maple", "a/b", "x" * 33, 7, "a+b"),
        "door": ("#", "\u00e4"),
        "tag": (-1, 10, "3", True),
        "code_key": ("f9" * 31, "zz" * 32, 5, "f9" * 33),
        "collector_key": ("", None),
        "mqtt_url": ("http://b", "mqtt://", "mqtt://b:0", "mqtt://b:99999", "mqtt://b:x", "mqtt://b/x", 5, "b"),
        "wifi_ssid": ("x" * 33, 1),
        "wifi_password": ("x" * 64,),
        "ntp": (":123", "a:b"),
        "day_start_s": (-1, 86_400, 1.5),
        "release_ms": (999, 10_001, "5000"),
        "held_ms": (9_999, 600_001),
        "camera": ("on", None, True),
        "has_contact": (1, "true"),
        "issuers": (
            None,
            {},
            [[]],
            [{}],
            [issuer("")],
            [issuer("61" * 9)],
            [issuer("6")],
            [issuer(name="")],
            [issuer(name="\u00e4" * 17)],
            [issuer(name=7)],
            [issuer(key="82" * 31)],
            [issuer(key=None)],
            [issuer("61"), issuer("61", name="other")],
            [dict(issuer(), more=1)],
            [issuer("%02x" % kid) for kid in range(5)],
        ),
        "areas": (None, [], "lobby", ["Lobby"], ["a"] * 9, [7], [""], ["x" * 33]),
        "zone": (
            None,
            "",
            "UTC",
            "Europe/Berlin",
            "CET-1CEST",
            "<+03>-25",
            "UTC0 ",
            "x" * 65,
            "EST5EDT,M13.1.0,M1.1.0",
        ),
        "bearer": ("on", None, True, 1),
        "bearer_s": (299, 604_801, "300"),
        "revoked": (None, "00" * 8, ["00" * 7], ["00" * 17], ["zz" * 8], [8], ["00" * 8] * 65),
        "nfc": ("i2c", None, False),
        "keypad": ("off", None, "touch"),
    }
    for name in wrong:
        for value in wrong[name]:
            assert refused(changed(**{name: value})) == name, (name, value)
    assert refused(changed(mqtt_url="mqtts://b")) == "mqtt_ca"
    for name in ("mqtt_ca", "mqtt_cert", "mqtt_key"):
        good = CERTIFICATE if name != "mqtt_key" else KEY
        other = KEY if name != "mqtt_key" else CERTIFICATE
        for value in (None, 1, "PEM", other, good[:-30], good.replace("MAMC", "MA C!"), good.replace("MAMC", "AAMC")):
            assert refused(changed(**{name: value})) == name, (name, value)
        assert refused(changed(**{name: good + " " * 4096})) == name
    assert refused(changed(mqtt_cert=CERTIFICATE)) == "mqtt_key"
    assert refused(changed(mqtt_key=KEY)) == "mqtt_cert"
    for locked in (KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"), KEY.replace("\nMA", "\nProc-Type: 4,ENCRYPTED\n\nMA")):
        assert refused(changed(mqtt_cert=CERTIFICATE, mqtt_key=locked)) == "mqtt_key"


def test_certificates_are_kept_as_der():
    parameters = "text\n-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key = parameters + KEY.replace("PRIVATE", "EC PRIVATE")
    read = settings.read(changed(mqtt_ca=CERTIFICATE + CERTIFICATE, mqtt_cert="text\n" + CERTIFICATE, mqtt_key=key))
    assert read.mqtt_ca == read.mqtt_cert == read.mqtt_key == DER
    read = settings.read(dict(GOOD))
    assert read.mqtt_ca == read.mqtt_cert == read.mqtt_key == b""


def test_file_is_taken_whole_or_not_at_all():
    text = json.dumps(GOOD)
    write(text)
    assert settings.load(PATH).tag == 3
    for size in range(len(text)):
        write(text[:size])
        assert load_refused() == "file", size
    write(text + "x" * 8192)
    assert load_refused() == "file"
    for other in ("[]", "7", "null", '"x"', "{}"):
        write(other)
        assert load_refused() in ("file", "version") or other == "{}"
    write("[" * 4000)
    assert load_refused() == "file"
    write(text + "{")
    assert load_refused() == "file"
    os.unlink(PATH)
    assert load_refused() == "file"


def refused_by(offers, **fields):
    try:
        settings.read(changed(**fields), offers)
    except SettingsError as error:
        return error.args[0]
    return ""


def test_what_the_board_has_no_pins_for_is_refused_by_the_name_of_the_field():
    little = {"nfc": ("uart",), "keypad": ("wiegand",), "camera": False, "ble": False}
    assert refused_by(little, keypad="wiegand", camera="off") == ""
    assert refused_by(little, keypad="wiegand", camera="off", nfc="uart") == ""
    assert refused_by(little, keypad="wiegand", camera="off", nfc="spi") == "nfc"
    assert refused_by(little, keypad="matrix", camera="off") == "keypad"
    for policy in ("required", "best-effort"):
        assert refused_by(little, keypad="wiegand", camera=policy) == "camera"
    assert refused_by(little, keypad="wiegand", camera="off", ble="on") == "ble"
    nothing = {"nfc": (), "keypad": ("matrix",), "camera": True, "ble": True}
    assert refused_by(nothing) == "" and refused_by(nothing, nfc="uart") == "nfc"


def test_a_board_with_everything_takes_what_any_board_takes():
    everything = {"nfc": ("uart", "spi"), "keypad": ("matrix", "wiegand"), "camera": True, "ble": True}
    for nfc in ("off", "uart", "spi"):
        for keypad in ("matrix", "wiegand"):
            for camera in ("off", "best-effort", "required"):
                assert refused_by(everything, nfc=nfc, keypad=keypad, camera=camera) == ""


def test_bluetooth_is_off_unless_the_file_says_on():
    assert settings.read(changed()).ble == "off"
    assert settings.read(changed(ble="on")).ble == "on"
    assert refused(changed(ble=True)) == "ble" and refused(changed(ble="yes")) == "ble"
