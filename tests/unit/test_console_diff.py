import asyncio
import gc
import json
import os
from binascii import b2a_base64
from hashlib import sha256

from firmware.console import diff
from firmware.console.fields import Fields
from firmware.console.request import Refusal
from firmware.console.transfer import Upload
from firmware.core.errors import SettingsError
from firmware.store import settings

FOLDER = "/tmp/lobbylock-console-%d" % (id(object()) & 0xFFFFFFF)
PATH = "settings.json"


def in_folder():
    os.mkdir(FOLDER)
    os.chdir(FOLDER)


def leave():
    for name in os.listdir():
        os.remove(name)
    os.chdir("/")
    os.rmdir(FOLDER)


class Door:
    def __init__(self):
        self.line = self

    async def give_way(self):
        pass


def fields(text):
    with open(PATH, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    found = Fields(PATH)
    asyncio.run(found.load(Door()))
    return found


def test_fields_are_what_json_reads():
    in_folder()
    try:
        values = {
            "a": 1,
            "text": 'with "quotes", {braces} and \\ \n\u20ac',
            "list": [1, "],}", {"k": [True, None]}, []],
            "object": {"x": {"y": "}"}, "z": []},
            "": "",
            "long": "x" * 4000,
            "no": False,
        }
        for text in (json.dumps(values), json.dumps(values).replace(", ", " ,\n\t").replace(": ", "\n:\r ")):
            found = fields(text)
            expected = json.loads(text)
            assert sorted(found) == sorted(expected)
            for name in expected:
                assert name in found and found[name] == expected[name], name
        assert "b" not in found and found.size("b") == 0 and found.size("long") >= 4002
        found.setdefault("a", 2)
        found.setdefault("b", 3)
        assert found["a"] == 1 and found["b"] == 3 and "b" in list(found)
        assert list(fields("{}")) == list(fields(" { }\n")) == []
    finally:
        leave()


def test_what_is_no_object_is_refused():
    in_folder()
    try:
        whole = '{"a": [1, "x"], "b": {"c": 2}}'
        wrong = [whole[:at] for at in range(len(whole))]
        wrong += ["[]", "1", '"a"', whole + "x", whole + whole, '{"a":1,"a":2}', '{"a"}', "{1:2}", "{,}", '{"a":1]}']
        wrong += ['{"' + "x" * 100 + '":1}', "{" + ",".join('"k%d":1' % number for number in range(60)) + "}"]
        wrong += ['{"a":1,}', "\0", '{"a":1}\0']
        for text in wrong:
            try:
                found = fields(text)
                for name in found:
                    found[name]
            except ValueError:
                continue
            raise AssertionError(text)
    finally:
        leave()


def finish(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("waits")


def refused(call, *arguments):
    try:
        result = call(*arguments)
        if hasattr(result, "send"):
            finish(result)
    except Refusal as refusal:
        return refusal.args[0]
    raise AssertionError("taken")


def test_pieces_come_once_and_in_order_and_go_on_after_a_break():
    in_folder()
    try:
        data = bytes(range(256)) * 10
        digest = sha256(data).digest()
        upload = Upload("part.1", len(data))
        assert upload.have == 0 and finish(upload.take(0, data[:100])) == 100
        # Heard twice, and partly again.
        assert finish(upload.take(0, data[:100])) == 100
        assert finish(upload.take(50, data[50:150])) == 150
        assert refused(upload.take, 151, b"x") == "order"
        assert refused(upload.take, 100, bytes(len(data))) == "order"
        upload.close()
        assert refused(diff._check, "part.1", len(data), digest) == "order"
        upload = Upload("part.1", len(data))
        assert upload.have == 150
        for at in range(150, len(data), 120):
            finish(upload.take(at, data[at : at + 120]))
        # In flash, though nobody has closed it.
        assert diff._check("part.1", len(data), digest) is None
        upload.close()
        # Others take their place.
        other = Upload("part.2", 5)
        assert other.have == 0 and os.listdir() == ["part.2"]
        finish(other.take(0, b"othex"))
        other.close()
        assert refused(diff._check, "part.2", 5, sha256(b"other").digest()) == "sha256"
        assert os.listdir() == []
        with open("part.2", "wb") as file:
            file.write(b"too long")
        again = Upload("part.2", 5)
        assert again.have == 0
        again.close()
    finally:
        leave()


def pem(label, der, line=64):
    text = b2a_base64(der)[:-1].decode()
    lines = [text[at : at + line] for at in range(0, len(text), line)]
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, "\n".join(lines), label)


def is_taken(text):
    """Whether the settings' own reader takes the text."""
    try:
        return bool(settings._der({"mqtt_key": text}, "mqtt_key"))
    except SettingsError:
        return False


def some_texts():
    """One after the other: all of them at once are more than fits a heap."""
    der = b"\x30\x82\x05\x01" + bytes(range(256)) * 2
    key = pem("PRIVATE KEY", der)
    yield key
    yield pem("CERTIFICATE", der)
    yield pem("CERTIFICATE", der) + key
    yield pem("CERTIFICATE", der) * 2 + key
    yield "text before\n" + key + "behind"
    yield pem("EC PRIVATE KEY", der, 76)
    yield pem("ENCRYPTED PRIVATE KEY", der)
    yield key + pem("ENCRYPTED PRIVATE KEY", der)
    yield pem("PRIVATE KEY", b"\x31" + der)
    yield key.replace("\n", "\r\n")
    yield key.replace("END", "-END")
    yield key[:-30]
    yield key[:500] + key[501:]
    yield key.replace("-----", "----")
    yield key.replace("M", "-", 1)
    yield "x" * 600
    yield "-" * 700
    for size in (4096, 4097):
        gc.collect()
        yield key + " " * (size - len(key))


def test_a_long_pem_is_judged_like_a_whole_one():
    in_folder()
    try:
        right = wrong = 0
        for text in some_texts():
            found = fields(json.dumps({"mqtt_key": text, "a": 1}))
            value = found["mqtt_key"]
            expected = is_taken(text) and len(text) <= 4096
            assert (value is not None and is_taken(value)) == expected, (text[:60], len(text), value)
            assert value is None or len(value) < 100
            right += expected
            wrong += not expected
        assert right > 5 and wrong > 5, right
    finally:
        leave()
