import gc
import random

from console_case import Case, module, reading

BAD = {"id": None, "ok": False, "error": "bad_line"}


def errors(said):
    return [line.get("error") for line in said]


def test_a_request_and_its_reply():
    case = Case()
    reply = case.ask("hello")
    assert reply["ok"] is True and reply["protocol"] == 1 and reply["claimed"] is False
    assert reply["door"] == "maple-12/front" and reply["boot"] == 7 and reply["slot"] == "a"


def test_every_end_of_a_line_and_what_may_come_before_it():
    case = Case()
    for before in (b"", b"\r", b"\n\n", b"\x03", b"\x01\x02\x04", b"\0", b"\x05A\x01", b'{"half\0'):
        for end in (b"\n", b"\r", b"\r\n"):
            said = case.send(before + b'{"id":5,"do":"nono"}' + end)
            assert len(said) == 1 and said[0]["id"] == 5 and said[0]["error"] == "unknown", (before, end, said)


def test_two_lines_at_once_are_two():
    case = Case()
    said = case.send(b'{"id":1,"do":"nono"}\n{"id":2,"do":"nono"}\n')
    assert [line["id"] for line in said] == [1, 2]


def test_half_a_line_is_forgotten():
    case = Case()
    rest = b'"do":"nono"}\n'
    for pause_ms, numbers in ((1_000, [3]), (2_000, [3]), (4_000, [None]), (30_000, [None])):
        case.time.due.append((case.time.ms + pause_ms, lambda: case.line.put(rest)))
        said = case.send(b'{"id":3,', pause_ms + 2_000)
        assert [line["id"] for line in said] == numbers, (pause_ms, said)
        assert [line["id"] for line in case.send(b'{"id":2,"do":"nono"}\n')] == [2]


def test_what_is_no_request():
    case = Case()
    lines = (
        b"hello?",
        b"[1]",
        b"{}",
        b"{",
        b'{"id":1}',
        b'{"do":"hello"}',
        b'{"id":-1,"do":"hello"}',
        b'{"id":true,"do":"hello"}',
        b'{"id":"1","do":"hello"}',
        b'{"id":1.5,"do":"hello"}',
        b'{"id":2147483648,"do":"hello"}',
        b'{"id":' + b"9" * 200 + b',"do":"hello"}',
        b'{"id":1e999,"do":"hello"}',
        b'{"id":1,"do":7}',
        b'{"id":1,"do":"hello"}{}',
        b'{"id":1,"do":"hello","x":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"id":1,"do":"hello","x":[[[[1]]]]}',
        b'{"id":1,"do":"hel\0lo"}',
        b'{"id":1,"do":"\xff\xfe"}',
        b"\xff" * 40,
        "{„id“:1}".encode(),
    )
    for line in lines:
        said = case.send(line + b"\n")
        assert len(said) == 1 and said[0]["say"], (line, said)
        assert {key: said[0][key] for key in BAD} == BAD, (line, said)


def test_fields_that_nobody_knows_and_some_depth_are_no_harm():
    case = Case()
    said = case.send(b'{"id":0,"do":"hello","x":[[[1]]],"y":{"a":null}}\n')
    assert said[0]["id"] == 0 and said[0]["ok"] is True


def test_the_longest_line_and_one_longer():
    case = Case()
    request = b'{"id":1,"do":"nono","x":"%s"}\n'
    longest = request % (b"x" * (256 - len(request) + 2))
    assert len(longest) == 256
    assert errors(case.send(longest)) == ["unknown"]
    assert errors(case.send(request % (b"x" * (257 - len(request) + 2)))) == ["too_long"]
    for _ in range(20):
        assert case.send(b"x" * 1_000, 0) == []
    assert errors(case.send(b"\n")) == ["too_long"]
    assert errors(case.send(b'{"id":2,"do":"nono"}\n')) == ["unknown"]


def test_ten_answers_a_second_to_what_is_no_request():
    case = Case()
    start_ms = case.time.ms
    said = case.send(b"x\n" * 300)
    seconds = (case.time.ms - start_ms) // 1000
    assert 10 <= len(said) <= 10 * (seconds + 1)
    assert errors(case.send(b'{"id":2,"do":"nono"}\n'))[-1] == "unknown"


def test_a_flood_takes_little_of_the_time():
    case = Case()
    start_ms = case.time.ms
    case.send(b"\xee" * 10_000)
    # So much may be read at once that it is a line, and some; the rest comes slowly.
    assert case.time.ms - start_ms >= (10_000 - 600 - 260) // 16 * 100


def test_nothing_is_read_while_somebody_is_at_the_door():
    case = Case()
    case.run()
    case.attention.touch(case.time.ms)
    start_ms = case.time.ms
    read_ms = []
    readinto = case.line.readinto

    def read(buffer):
        read_ms.append(case.time.ms)
        return readinto(buffer)

    case.line.readinto = read
    assert case.ask("hello")["ok"]
    assert min(read_ms) >= start_ms + 1_000


def test_a_line_that_is_closed_is_looked_at_once_a_second():
    case = Case()
    case.line.ipoll = lambda timeout_ms: (case.line,)
    case.time.until_ms = 10_000
    looks = 0

    def readinto(buffer):
        nonlocal looks
        looks += 1
        return 0

    case.line.readinto = readinto

    async def within(limit_ms, waiting):
        if case.time.ms >= 10_000:
            raise SystemExit("over")

    module.within = reading.within = within
    case.run()
    assert case.ended == "over" and 10 <= looks <= 30


def test_random_lines_leave_nothing_behind():
    random.seed(5)
    case = Case()
    words = (
        b'{"id":',
        b'"do":',
        b'"hello"',
        b"1",
        b"}",
        b"[",
        b"{",
        b'"',
        b",",
        b":",
        b"\\u12",
        b"null",
        b"\0",
        b"\xc3",
    )
    used = []
    for number in range(1_000):
        if number % 3:
            line = b"".join([random.choice(words) for _ in range(random.getrandbits(4))])
        else:
            line = bytes([random.getrandbits(8) for _ in range(random.getrandbits(6))])
        case.send(line + b"\n", 0)
        del case.said[:]
        if number % 200 == 199:
            gc.collect()
            used.append(gc.mem_alloc())
    assert max(used[2:]) - used[1] < 512, used
    assert case.ask("hello")["ok"] is True and case.ended is None
