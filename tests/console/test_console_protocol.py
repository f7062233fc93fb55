"""docs/protocol.md section 7: its example, played against the lock, and its tables, against what the lock says."""

import json
import re
import zlib
from hashlib import sha256
from pathlib import Path

from talker import OWNER, Talker

from lobbylock.signature import Signer

PAGE = (Path(__file__).parents[2] / "docs/protocol.md").read_text("utf-8")
SECTION = PAGE.partition("## 7. Console")[2].partition("\n## 8.")[0]
# What is another one at each lock and each time.
_VARIABLE = ("public_key", "key", "nonce", "sig")


def example():
    """Returns the example as [(request as a line, [lines that come back])]."""
    found = []
    for line in SECTION.splitlines():
        if line.startswith("    > "):
            found.append((line[6:], []))
        elif line.startswith("    < "):
            found[-1][1].append(json.loads(line[6:]))
    return found


def fixed(value):
    """Returns what does not differ from lock to lock, and the type of what does."""
    if isinstance(value, dict):
        return {name: type(item) if name in _VARIABLE else fixed(item) for name, item in value.items()}
    return value


def rows(title, columns):
    """Returns the first columns of the table behind `title`."""
    lines = SECTION.partition(title)[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| "))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("| "):
            return found
        found.append([cell.strip() for cell in line.split("|")[1:]][:columns])
    return found


def test_the_example_says_what_it_says_of_its_keys():
    said = {line["id"]: line for _, lines in example() for line in lines if "ok" in line}
    asked = {request["id"]: request for request in (json.loads(text) for text, _ in example()[:-1])}
    door = Signer(bytes([1]) * 32).public_key
    assert said[1]["public_key"] == said[2]["public_key"] == door.hex()
    assert asked[2]["owner"] == asked[5]["key"] == OWNER.public_key.hex()
    signed = b"LobbyLock console 1" + door + bytes.fromhex(said[4]["nonce"])
    assert asked[5]["sig"] == OWNER.sign(signed).hex()
    piece = b'{"version":1}'
    assert asked[7]["sha256"] == sha256(piece).hexdigest() and asked[8]["crc"] == f"{zlib.crc32(piece):08x}"
    assert all(len(text.encode()) < 256 for text, _ in example())


def test_a_lock_answers_as_in_the_example(make_room):
    room = make_room()
    (room.board.vfs / "settings.json").unlink()
    room.power_on(knows_time=False)
    talker = Talker(room.board)
    public_key = nonce = b""
    for text, expected in example():
        number = expected[-1]["id"]
        if number == 5:
            request = json.loads(text)
            request["sig"] = OWNER.sign(b"LobbyLock console 1" + public_key + nonce).hex()
            text = json.dumps(request, separators=(",", ":"))
        reply = talker.say(text.encode() + b"\n", number)
        said = [{"id": number, "event": event} for event in talker.events] + [reply]
        assert [fixed(line) for line in said] == [fixed(line) for line in expected]
        public_key = bytes.fromhex(reply.get("public_key", "")) or public_key
        nonce = bytes.fromhex(reply.get("nonce", "")) or nonce
        room.board.run_for(1_500)


def test_the_tables_name_what_there_is():
    source = (Path(__file__).parents[2] / "firmware/console/desk.py").read_text("utf-8")
    table = source.partition("_REQUESTS = const(")[2].partition("\n)")[0]
    letters = {"all": "0", "unclaimed": "1", "claimed": "2", "session": "3", "owner": "4"}
    documented = {}
    for word, who, repeatable in rows("recorded before it is done.", 3):
        documented[word.strip("`")] = letters[who] + (repeatable or "-")
    assert dict(re.findall(r"(\w+):(\d[-R])", table)) == documented
    errors = {word.strip("` ") for row in rows("**Errors**", 1) for word in row[0].split(",")}
    used = set()
    for path in (Path(__file__).parents[2] / "firmware").rglob("*.py"):
        if "console" in str(path):
            text = path.read_text("utf-8")
            used |= set(re.findall(r'Refusal\(\s*"(\w+)"', text)) | set(re.findall(r'"error": "(\w+)"', text))
            used |= set(re.findall(r'_(?:refused|wrong)\(console, event\.\w+, "(\w+)"', text))
            used |= set(re.findall(r'complain\("(\w+)"', text)) | set(re.findall(r'_refused\(.*?"(\w+)",', text))
    # Those of an update are on its own page.
    assert used - errors <= update_errors(), used - errors - update_errors()
    assert errors - used == set()


def update_errors():
    """Returns the errors that section 13 documents, for the update's part."""
    return set(re.findall(r"`(\w+)`", PAGE.partition("\n## 13.")[2]))
