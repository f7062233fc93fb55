"""building.toml: what is in it, and a sentence for everything that is wrong in it."""

from dataclasses import asdict

import pytest
from install_case import BUILDING, DOOR

from lobbylock.building_file import TEMPLATE, BuildingFile
from lobbylock.errors import UserError
from lobbylock.settings import Options


def write(tmp_path, text: str, **environment: str) -> BuildingFile:
    path = tmp_path / "building.toml"
    path.write_text(text)
    return BuildingFile(path, environment)


def test_every_option_comes_through(tmp_path):
    text = (
        BUILDING
        + 'release_s = 2.5\nheld_s = 60\ncontact = false\nbearer = "short"\nbearer_for = "2h"\ncamera = "off"\n'
    )
    text = text.replace('ntp = ""', 'ntp = "time.example:1123"\nday_start = "06:30"')
    plan = write(tmp_path, text).plan(DOOR, ["ab" * 8])
    options = plan.options
    assert (plan.name, plan.board.name) == (DOOR, "esp32-devkitc")
    assert (options.release_ms, options.held_ms, options.has_contact) == (2_500, 60_000, False)
    assert (options.bearer, options.bearer_s, options.camera, options.nfc) == ("short", 7_200, "off", "uart")
    assert (options.ntp, options.day_start_s, options.zone) == ("time.example:1123", 23_400, "EST5EDT,M3.2.0,M11.1.0")
    assert (options.wifi_ssid, options.wifi_password) == ("maple-staff", "wifi secret")
    assert (options.mqtt_user, options.mqtt_password, options.revoked) == ("maple", "broker secret", ["ab" * 8])


def test_passwords_from_the_environment_and_of_a_door(tmp_path):
    text = BUILDING.replace('password = "wifi secret"\n', "").replace('password = "broker secret"\n', "")
    variables = {"LOBBYLOCK_WIFI_PASSWORD": "from outside", "LOBBYLOCK_MQTT_PASSWORD": "also"}
    options = write(tmp_path, text, **variables).plan(DOOR, []).options
    assert (options.wifi_password, options.mqtt_password) == ("from outside", "also")
    text += 'mqtt_user = "front"\nmqtt_password = "its own"\n'
    options = write(tmp_path, text, **variables).plan(DOOR, []).options
    assert (options.mqtt_user, options.mqtt_password) == ("front", "its own")


def test_several_doors_and_their_names(tmp_path):
    file = write(tmp_path, BUILDING + '\n[[door]]\nname = "rear"\nboard = "esp32-c3-devkitm-1"\nkeypad = "wiegand"\n')
    assert file.door_names == [DOOR, "maple-12/rear"]
    assert file.find("rear") == file.find("maple-12/rear") == "maple-12/rear"
    with pytest.raises(UserError, match="2 doors: choose one with --door"):
        file.find(None)
    with pytest.raises(UserError, match="no door maple-12/cellar"):
        file.find("cellar")


def test_the_template_is_a_file_that_works(tmp_path):
    file = write(tmp_path, TEMPLATE.replace('ca = "ca.pem"', "").replace("mqtts://", "mqtt://"))
    assert file.plan(file.find(None), []).options.camera == "best-effort"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("building =", "bulding =", "bulding is not known; did you mean building?"),
        ("[wifi]", "[wify]", "wify is not known; did you mean wifi?"),
        ("ssid =", "sid =", r"sid of \[wifi\] is not known; did you mean ssid?"),
        (
            'nfc = "uart"',
            'nfc = "uart"\nrelease_ms = 5',
            r"release_ms of \[\[door\]\] is not known; did you mean release_s?",
        ),
        ('nfc = "uart"', 'nfc = "usb"', "nfc is one of off, uart, spi"),
        ('nfc = "uart"', "nfc = 1", "is not a text in quotes"),
        ('nfc = "uart"', "release_s = true", "is not a number of seconds"),
        ('nfc = "uart"', "release_s = 99", r"building.toml: release_s of \[\[door\]\] is 99, but must be 1 to 10\."),
        ('nfc = "uart"', "contact = 1", "is not true or false"),
        ('nfc = "uart"', 'areas = "lobby"', "is not a list of texts"),
        ('nfc = "uart"', 'camera = "always"', "camera is one of"),
        ('board = "esp32-devkitc"', 'board = "esp33"', "no board 'esp33': it is one of"),
        ('board = "esp32-devkitc"', "", r"board of \[\[door\]\] is missing"),
        ('name = "front"', 'name = "Front Door"', "is not a door's name"),
        (
            'url = "mqtt://broker.example"',
            'url = "mqtt://broker.example"\nca = "none.pem"',
            "cannot be read: No such file",
        ),
        ('nfc = "uart"', "held_s = 9.5", r"held_s of \[\[door\]\] is 9.5, but must be 10 to 600\."),
        ('nfc = "uart"', 'bearer_for = "10s"', "bearer_for, in seconds, is 10, but must be 300 to 604800"),
        ("mqtt://", "mqtts://", r"an mqtts broker needs its CA .*`ca` of \[mqtt\] in the building's file"),
        (
            'url = "mqtt://broker.example"',
            'url = "mqtt://broker.example"\nca = "a\\u0000.pem"',
            "ca of .mqtt. names 'a.x00.pem', which no file can be called",
        ),
        ('board = "esp32-devkitc"', 'board = "a\\u0000/b.toml"', "is no path that a file can have"),
        (
            'nfc = "uart"',
            '[[door]]\nname = "front"\nboard = "esp32-devkitc"',
            r"has two doors maple-12/front: give each \[\[door\]\] a name of its own",
        ),
        ('password = "wifi secret"', 'password = "secret7"', "Wi-Fi password has 8 to 63 characters, or none"),
        ('zone = "EST', 'zone = "Amerika/EST', "is neither a time zone"),
        ("[[door]]", "[door]", r"no \[\[door\]\] section"),
        ("[wifi]", "[wifi", "is not TOML"),
    ],
)
def test_what_is_wrong_gets_a_sentence_without_a_secret(tmp_path, old, new, sentence):
    assert old in BUILDING
    with pytest.raises(UserError, match=f"(?i){sentence}") as caught:
        file = write(tmp_path, BUILDING.replace(old, new, 1))
        file.plan(file.find(None), [])
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match="lobbylock install --template"):
        BuildingFile(tmp_path / "nothing.toml")
    with pytest.raises(UserError, match="too long"):
        write(tmp_path, "#" * 300_000)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not TOML"):
        BuildingFile(tmp_path / "bytes.toml")


def test_lengths_of_wifi_passwords(tmp_path):
    for password in ("", "x" * 8, "x" * 63):
        file = write(tmp_path, BUILDING.replace("wifi secret", password))
        assert file.plan(DOOR, []).options.wifi_password == password
    for password in ("x", "x" * 7, "x" * 64):
        with pytest.raises(UserError, match="(?i)wi-?fi.password"):
            write(tmp_path, BUILDING.replace("wifi secret", password)).plan(DOOR, [])


def test_a_record_with_a_short_wifi_password_is_read_all_the_same():
    """Locks took them, so doors in the field may have one."""
    value = {**asdict(Options()), "wifi_password": "short"}
    assert Options.load(value).wifi_password == "short"
