import asyncio

from fake_card import FakePhone, FakeType2, FakeType4, tlv, type2_memory
from pn532 import BadFrame, CardLost, NoReader, Target

from firmware.core import credential, event, proof
from firmware.core.errors import PhoneGone, PhoneStrange
from firmware.reader.card import CardReader
from firmware.reader.presentation import BADGE, NOTHING, PHONE

CREDENTIAL = bytes(range(256))


def record(payload, head=0xC2):
    """Returns an NDEF record with our media type."""
    return bytes((head, len(proof.MEDIA_TYPE))) + len(payload).to_bytes(4, "big") + proof.MEDIA_TYPE + payload


MESSAGE = record(CREDENTIAL)


class FakeReader:
    """The reader's side of `cards`: UID -> a card of fake_card. A card may raise instead of answering."""

    def __init__(self):
        self.cards = {}

    async def exchange(self, target, data, timeout_ms):
        assert timeout_ms > 0
        card = self.cards[target.uid]
        if isinstance(card, Exception):
            raise card
        return await card(data)


class Clock:
    def __init__(self):
        self.at_ms = 100_000

    def now_ms(self):
        return self.at_ms


class Field:
    """Puts cards into the field of a CardReader; `show(uid, ...)` after a pause."""

    def __init__(self):
        self.reader = FakeReader()
        self.clock = Clock()
        self.cards = CardReader(self.reader, self.clock)
        self._saks = {}

    def put(self, uid, card, sak=None):
        self.reader.cards[uid] = card
        self._saks[uid] = (0x20 if isinstance(card, (FakeType4, FakePhone)) else 0) if sak is None else sak

    async def show(self, *uids, after_ms=200):
        self.clock.at_ms += after_ms
        return await self.cards.show([Target(at + 1, uid, self._saks[uid], 0x44) for at, uid in enumerate(uids)])


def field_of(card, sak=None):
    field = Field()
    field.put(b"\x04abcdef", card, sak)
    return field


async def show_one(card, sak=None):
    return await field_of(card, sak).show(b"\x04abcdef")


def is_badge(shown):
    return (shown.kind, shown.via, shown.credential, shown.session) == (BADGE, event.BADGE, CREDENTIAL, None)


def is_nothing(shown, reason):
    return (shown.kind, shown.reason, shown.via, shown.credential) == (NOTHING, reason, event.BADGE, b"")


async def test_badges():
    assert is_badge(await show_one(FakeType2(type2_memory(tlv(MESSAGE)))))
    assert is_badge(await show_one(FakeType4(len(MESSAGE).to_bytes(2, "big") + MESSAGE)))


async def test_badge_with_a_page_for_people_on_it():
    message = b"\x91\x01\x05U\x04a.bc" + record(CREDENTIAL, 0x42)
    assert is_badge(await show_one(FakeType2(type2_memory(tlv(message)))))


async def test_phone():
    phone = FakePhone(CREDENTIAL, b"its proof")
    shown = await show_one(phone)
    assert (shown.kind, shown.via, shown.credential) == (PHONE, event.PHONE, CREDENTIAL)
    challenge = proof.challenge("maple-12/front", bytes(16))
    assert await shown.session.prove(challenge) == b"its proof"
    assert phone.challenge == challenge
    await shown.session.tell(proof.result(event.GRANTED))
    assert phone.told == proof.result(event.GRANTED)
    session = shown.session
    assert (session.version, session.wants_receipt, session.has_token, session.list_version) == (1, False, False, 0)


async def test_phone_that_wants_and_brings():
    news = (bytes(range(256)) * 3)[:700]
    phone = FakePhone(CREDENTIAL, version=2, flags=3, list_version=9, fetched={1: news, 2: b"t" * 200})
    session = (await show_one(phone)).session
    assert (session.version, session.wants_receipt, session.has_token, session.list_version) == (2, True, True, 9)
    assert await session.fetch(proof.LIST, 480, 240) == news[480:] and phone.commands[-1] == b"\x80\xcc\x01\xe0\xf0"
    assert await session.fetch(proof.LIST, 0, 7) == news[:7]
    assert await session.fetch(proof.TOKEN, 0, 200) == b"t" * 200 and phone.commands[-1] == b"\x80\xce\x00\x00\xf0"
    await session.give(b"receipt" * 34)
    assert phone.receipt == b"receipt" * 34


async def raised(coroutine):
    try:
        await coroutine
    except PhoneGone as error:
        return type(error), error.args
    return None


async def test_phone_that_goes_says_no_or_speaks_otherwise():
    for error, found in (
        (CardLost(1), (PhoneGone, ())),
        (NoReader("no answer"), (PhoneGone, (event.READER,))),
        (b"\x69\x85", (PhoneGone, ())),
        (b"", (PhoneStrange, ())),
        (bytes(250) + b"\x90\x00", (PhoneStrange, ())),
    ):
        for step in range(4):
            phone = FakePhone(CREDENTIAL, version=2)
            session = (await show_one(phone)).session
            steps = (session.prove(b"c"), session.tell(b"t"), session.give(b"r"), session.fetch(proof.LIST, 0, 240))

            def spoil(at, answer, error=error):
                if isinstance(error, bytes):
                    return error
                raise error

            phone.spoil = spoil
            # Whatever it says to the result is all right, as long as it is there.
            is_all_right = step == 1 and found[0] is PhoneStrange
            assert await raised(steps[step]) == (None if is_all_right else found), (step, error)


async def test_phone_that_brings_nothing_after_all():
    session = (await show_one(FakePhone(CREDENTIAL, version=2, list_version=9))).session
    for what in (proof.LIST, proof.TOKEN):
        assert await raised(session.fetch(what, 0, 200)) == (PhoneStrange, ())


async def test_phone_in_pieces():
    for size in (1, 239, 240, 241, 480, credential.MAX_BYTES, 1024):
        data = (bytes(range(256)) * 4)[:size]
        for piece in (15, 100, 240):
            shown = await show_one(FakePhone(data, piece=piece, version=2 if size > 512 else 1))
            assert shown.credential == data and shown.kind == PHONE


async def test_phone_that_breaks_the_rules_is_unreadable():
    for phone in (
        FakePhone(b""),
        FakePhone(bytes(513)),
        FakePhone(bytes(1025), version=2),
        FakePhone(b"", version=2),
        FakePhone(CREDENTIAL, version=2, flags=4),
        FakePhone(CREDENTIAL, version=3),
        FakePhone(CREDENTIAL, piece=0),
    ):
        assert is_nothing(await show_one(phone), event.UNREADABLE)
    clean = FakePhone(CREDENTIAL)
    await show_one(clean)
    for broken in range(len(clean.commands)):
        for wrong in (b"", b"\x90", b"\x90\x00", bytes(260), b"\x69\x82"):
            phone = FakePhone(CREDENTIAL, spoil=lambda at, answer: wrong if at == broken else answer)  # noqa: B023
            assert is_nothing(await show_one(phone), event.UNREADABLE), (broken, wrong)


async def test_proof_that_is_too_long_is_not_taken():
    shown = await show_one(FakePhone(CREDENTIAL, bytes(129)))
    assert await raised(shown.session.prove(b"challenge")) == (PhoneStrange, ())


async def test_nothing_of_ours():
    for card in (
        FakeType2(type2_memory(tlv(b"\xd1\x01\x05U\x04a.bc"))),
        FakeType2(type2_memory(b"")),
        FakeType2(type2_memory(tlv(record(b"")))),
        FakeType4(b"\x00\x00"),
        FakeType4(b"\x00\x09\xd1\x01\x05U\x04a.bc"),
    ):
        assert is_nothing(await show_one(card), event.UNREADABLE)
    card = FakeType2(type2_memory(tlv(MESSAGE)))
    # MIFARE Classic.
    assert is_nothing(await show_one(card, 0x08), event.UNREADABLE) and not card.commands


async def test_a_credential_as_long_as_allowed():
    data = bytes(credential.MAX_BYTES)
    assert (await show_one(FakeType2(type2_memory(tlv(record(data)))))).credential == data


async def test_held_card_is_shown_once():
    field = field_of(FakeType2(type2_memory(tlv(MESSAGE))))
    assert await field.show(b"\x04abcdef")
    for _ in range(50):
        assert await field.show(b"\x04abcdef") is None
    assert await field.show(b"\x04abcdef", after_ms=1_999) is None
    assert is_badge(await field.show(b"\x04abcdef", after_ms=2_000))


async def test_held_phone_is_shown_once_whatever_its_uid():
    field = Field()
    for number in range(20):
        uid = bytes((8, 1, 2, number))
        field.put(uid, FakePhone(CREDENTIAL))
        assert bool(await field.show(uid)) == (number == 0)
    assert await field.show(uid, after_ms=2_000)
    field.put(b"\x08abc", FakePhone(bytes(256)))
    assert await field.show(b"\x08abc")


async def test_next_card_need_not_wait():
    field = Field()
    for uid in (b"\x04aaaaaa", b"\x04bbbbbb"):
        field.put(uid, FakeType2(type2_memory(tlv(MESSAGE))))
        assert is_badge(await field.show(uid))


async def test_two_cards_are_refused_once():
    field = Field()
    one, two = b"\x04aaaaaa", b"\x04bbbbbb"
    for uid in (one, two):
        field.put(uid, FakeType2(type2_memory(tlv(MESSAGE))))
    assert is_nothing(await field.show(one, two), event.TWO_CARDS)
    assert await field.show(two, one) is None
    # One of them was taken away.
    assert is_badge(await field.show(two))


async def test_cards_in_a_wallet_do_not_flap():
    field = Field()
    one, two = b"\x04aaaaaa", b"\x04bbbbbb"
    for uid in (one, two):
        field.put(uid, FakeType2(type2_memory(tlv(MESSAGE))))
    assert is_badge(await field.show(one))
    assert is_nothing(await field.show(one, two), event.TWO_CARDS)
    for _ in range(20):
        assert await field.show(one) is None
        assert await field.show(one, two) is None


async def test_lost_card_is_read_when_it_is_back():
    field = field_of(CardLost(1))
    uid = b"\x04abcdef"
    assert is_nothing(await field.show(uid), event.CARD_LOST)
    assert await field.show(uid) is None
    field.put(uid, FakeType2(type2_memory(tlv(MESSAGE))))
    assert is_badge(await field.show(uid))
    assert await field.show(uid) is None
    field.cards.lose()
    assert is_badge(await field.show(uid))


async def test_card_is_lost_once_even_if_forgotten():
    field = field_of(CardLost(1))
    for number in range(5):
        assert bool(await field.show(b"\x04abcdef")) == (number == 0)
        field.cards.lose()


async def test_card_held_while_it_is_served_is_shown_once():
    field = Field()
    old, uid = b"\x04bbbbbb", b"\x04aaaaaa"
    for one in (old, uid):
        field.put(one, FakeType2(type2_memory(tlv(MESSAGE))))
        assert await field.show(one)
    field.clock.at_ms += 10_000
    field.cards.keep()
    assert await field.show(uid, after_ms=1_900) is None
    # Not so the one that was there before.
    assert await field.show(old)


async def test_card_lost_at_any_command():
    for make in (
        lambda: FakeType2(type2_memory(tlv(MESSAGE))),
        lambda: FakeType4(len(MESSAGE).to_bytes(2, "big") + MESSAGE),
        lambda: FakePhone(CREDENTIAL),
    ):
        clean = make()
        assert await show_one(clean)
        for gone in range(len(clean.commands)):
            card = make()

            def lose(at, answer):
                if at == gone:  # noqa: B023
                    raise CardLost(1)
                return answer

            card.spoil = lose
            assert is_nothing(await show_one(card), event.CARD_LOST)


async def test_a_reader_in_trouble_is_not_the_cards_fault():
    field = field_of(BadFrame("answer"))
    try:
        await field.show(b"\x04abcdef")
    except BadFrame:
        field.put(b"\x04abcdef", FakeType2(type2_memory(tlv(MESSAGE))))
        assert is_badge(await field.show(b"\x04abcdef"))
        return
    raise AssertionError


def test_unreadable_cards_leave_nothing_behind():
    import gc

    field = Field()
    uid = b"\x04abcdef"

    async def work():
        for round in range(20):
            wrong = bytes((round,)) * (round * 13)
            field.put(uid, FakePhone(CREDENTIAL, spoil=lambda at, answer: wrong))  # noqa: B023
            assert is_nothing(await field.show(uid, after_ms=3_000), event.UNREADABLE)

    asyncio.run(work())
    gc.collect()
    before = gc.mem_alloc()
    asyncio.run(work())
    gc.collect()
    assert gc.mem_alloc() - before < 500
