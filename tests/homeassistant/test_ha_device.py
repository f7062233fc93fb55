"""The discovery message: golden files, and the facts of Home Assistant's documentation that they are held to.

Facts: MQTT integration, "Device discovery payload", binary_sensor, event, image and sensor over MQTT, as documented
for Home Assistant 2024.12, the first with device discovery.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.home_assistant_device import Names, check_prefix, discovery, encode, without
from lobbylock.home_assistant_option import Destination
from lobbylock.settings import Options

GOLDEN = Path(__file__).parent / "golden"
KEY = bytes(range(32))
NAMES = Names(KEY)
PAGE = "https://doors.example"

# What the topic of a discovery message may be made of.
TOPIC = re.compile(r"homeassistant/device/[a-zA-Z0-9_-]+/config")
DEVICE_KEYS = {"ids", "cns", "cu", "name", "mf", "mdl", "mdl_id", "hw", "sw", "sa", "sn"}
ORIGIN_KEYS = {"name", "sw", "url"}
ROOT_KEYS = {"dev", "o", "cmps", "availability", "availability_mode", "state_topic", "qos", "encoding"}
COMMON = {"p", "unique_id", "name", "icon", "entity_category", "enabled_by_default"}
COMMON |= {"availability", "availability_mode", "json_attributes_topic", "json_attributes_template"}
ALLOWED = {
    "binary_sensor": {"state_topic", "device_class", "off_delay", "payload_on", "payload_off", "value_template"},
    "sensor": {"state_topic", "device_class", "state_class", "unit_of_measurement", "value_template"},
    "event": {"state_topic", "device_class", "event_types", "value_template"},
    "image": {"image_topic", "content_type", "image_encoding"},
}
REQUIRED = {
    "binary_sensor": {"state_topic"},
    "sensor": {"state_topic"},
    "event": {"state_topic", "event_types"},
    "image": {"image_topic"},
}
CLASSES = {
    "binary_sensor": {"lock", "door", "tamper", "problem", "connectivity"},
    "sensor": {"timestamp"},
    "event": set(),
}
# The golden files by name: options of the door, and of the message.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "usual": ({}, {}),
    "bare": ({"has_contact": False, "camera": "off", "release_ms": 1_500}, {}),
    "all": ({}, {"shows_all": True, "version": "0.1.0", "page": PAGE}),
}


def make(name):
    options, more = CASES[name]
    return discovery(Door("maple-12", "front", 1, Options(**options)), NAMES, **more)


@pytest.mark.parametrize("name", CASES)
def test_the_message_is_that_of_the_golden_file(name):
    path = GOLDEN / f"{name}.json"
    text = json.dumps(make(name), indent=2) + "\n"
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(text)
    assert json.loads(path.read_text()) == json.loads(text)


@pytest.mark.parametrize("name", CASES)
def test_the_message_keeps_to_the_documented_schema(name):
    found = json.loads(encode(make(name)))
    assert {"dev", "o", "cmps"} <= set(found) <= ROOT_KEYS
    assert found["o"]["name"]
    assert set(found["o"]) <= ORIGIN_KEYS
    assert found["dev"]["ids"]
    assert set(found["dev"]) <= DEVICE_KEYS
    assert found["availability_mode"] in ("all", "any", "latest")
    assert found["qos"] in (0, 1, 2)
    assert found["cmps"]
    for each in [found, *found["cmps"].values()]:
        for row in each.get("availability", []):
            # "online" and "offline" are what is taken without more.
            assert set(row) == {"topic"}
    for component in found["cmps"].values():
        platform = component["p"]
        assert component["unique_id"]
        assert REQUIRED[platform] <= set(component) <= COMMON | ALLOWED[platform]
        if "device_class" in component:
            assert component["device_class"] in CLASSES[platform]
        assert component.get("entity_category", "diagnostic") == "diagnostic"
        for key in ("state_topic", "image_topic", "json_attributes_topic"):
            if key in component:
                assert not set("+#\0") & set(component[key])
    event = found["cmps"]["event"]
    assert event["event_types"]
    assert len(set(event["event_types"])) == len(event["event_types"])
    unique = [component["unique_id"] for component in found["cmps"].values()]
    assert len(set(unique)) == len(unique)


@pytest.mark.parametrize("name", CASES)
def test_nothing_in_it_can_be_commanded(name):
    text = json.dumps(make(name))
    assert "command" not in text
    assert "cmd_t" not in text
    platforms = {component["p"] for component in make(name)["cmps"].values()}
    assert platforms <= {"binary_sensor", "sensor", "event", "image"}


def test_a_door_shows_what_it_has():
    usual, bare = make("usual")["cmps"], make("bare")["cmps"]
    assert {"strike", "door", "tamper", "problem", "connectivity", "event", "image"} <= set(usual)
    assert set(usual) - set(bare) == {"door", "image"}
    assert usual["strike"]["device_class"] == "lock"
    # Longer than any pulse, and shorter than for ever.
    assert (usual["strike"]["off_delay"], bare["strike"]["off_delay"]) == (10, 7)


def test_components_that_are_gone_are_removed_by_their_platform_alone():
    bare = make("bare")
    removing = without(bare, make("usual")["cmps"])
    assert removing is not None
    assert removing["cmps"]["door"] == {"p": "binary_sensor"}
    assert removing["cmps"]["image"] == {"p": "image"}
    assert {key: value for key, value in removing["cmps"].items() if key in bare["cmps"]} == bare["cmps"]
    assert without(bare, bare["cmps"]) is None
    # What others wrote there is not taken up.
    assert without(bare, {"siren": {}}) is None


def test_doors_and_collectors_are_told_apart():
    topics = [NAMES.config(door) for door in ("a/b-c", "a-b/c", "a-b-c/d")]
    topics += [Names(bytes(32)).config("a/b-c")]
    assert len(set(topics)) == len(topics)
    assert all(TOPIC.fullmatch(topic) for topic in topics)
    assert NAMES.door_of_config(NAMES.config("a/b-c")) == "a/b-c"
    assert NAMES.door_of_config(Names(bytes(32)).config("a/b-c")) is None
    assert NAMES.door_of_config("homeassistant/device/kitchen/config") is None
    assert NAMES.door_of_topic(NAMES.topic("a/b-c", "strike")) == "a/b-c"
    assert NAMES.door_of_topic(NAMES.service) is None


def test_states_are_beside_the_topics_that_locks_write():
    assert not NAMES.topic("maple-12/front", "strike").startswith("lobbylock/")


def test_a_prefix_that_would_be_a_pattern_or_the_locks_own_is_refused():
    assert check_prefix("homeassistant") == "homeassistant"
    assert check_prefix("house/ha_2") == "house/ha_2"
    for prefix in ("", "+", "#", "a/#", "/a", "a/", "a b", "$SYS", "lobbylock", "lobbylock/x", "lobbylock-home", "ä"):
        with pytest.raises(UserError):
            check_prefix(prefix)


def test_the_options_of_serve_are_checked_before_anything_starts(tmp_path):
    def parse(url: str | None = "mqtt://ha.local", prefix="homeassistant", **more):
        return Destination.parse(url, prefix, **more)

    assert parse(None) is None
    # The password may stand in everybody's environment.
    assert parse(None, password="hush") is None
    found = parse(user="publisher", password="hush", shows_all=True)
    assert found is not None
    assert (found.address.host, found.address.port, found.address.user) == ("ha.local", 1883, "publisher")
    assert found.shows_all
    assert "hush" not in repr(found)
    (tmp_path / "ca.pem").write_text("none")
    for options in (
        {"url": "http://ha.local"},
        {"url": None, "user": "publisher"},
        {"url": None, "shows_all": True},
        {"url": None, "prefix": "ha"},
        {"prefix": "+"},
        {"password": "hush"},
        {"ca": tmp_path / "ca.pem"},
        {"url": "mqtts://ha.local", "ca": tmp_path / "ca.pem"},
    ):
        with pytest.raises(UserError):
            parse(**options)
