"""One way for all who bring a credential: what happens in which order, and what goes wrong on the way."""

import asyncio
from hashlib import sha256

import cbor
from visit_scene import DOOR, GOOD, Phone2, Remote, Scene, Session

from firmware.core import event, proof, receipt
from firmware.core.errors import FlashError, PhoneGone, PhoneStrange


def served(session, via=event.PHONE, **named):
    scene = Scene(**named)
    scene.serve(session, via)
    return scene


def test_a_badge_is_pictured_spent_and_written_down_before_the_strike():
    scene = served(None, event.BADGE, holder=None)
    assert scene.log == ["judge", "shoot", "spend", "event 2", "release"]


def test_a_phone_has_proved_itself_before_anything_is_spent_and_hears_of_it():
    phone = Session()
    scene = served(phone)
    # The picture is taken meanwhile, and stays in the camera until the phone has been served.
    assert scene.held == [True, False]
    assert scene.log[:2] == ["judge", "challenge"] and scene.log.index("shoot") < scene.log.index("proof")
    assert scene.log[scene.log.index("proof") :] == ["proof", "spend", "event 2", "release", "tell"]
    assert phone.results == [proof.result(event.GRANTED)]


def test_what_is_signed_near_and_at_a_distance():
    near, far = Session(), Remote()
    for phone, channel, act_ms in ((near, b"", None), (far, b"c" * 32, 500)):
        scene = served(phone)
        assert scene.signed == proof.to_be_signed(b"credential", phone.challenge, channel, act_ms)


def test_a_phone_of_version_2_gets_a_receipt_that_was_recorded_before():
    phone = Phone2()
    scene = served(phone)
    end = scene.log[scene.log.index("release") :]
    assert end == ["release", "tell", "sign", "event 43", "give", "collect"]
    assert cbor.decode(phone.results[0]) == [2, event.GRANTED, 3, None]
    access = event.Event(1, *[event.ACCESS, 1, 10, 1_789_992_000, scene.recorded[0][1]]).encode()
    assert phone.receipts == [receipt.make(DOOR, access, lambda message: b"\x02" * 64)]
    details = {event.ACCESS_SEQ: 1, event.SHA256: sha256(phone.receipts[0]).digest()}
    assert scene.recorded[1:] == [(event.RECEIPT, details)]


def test_a_receipt_that_cannot_be_recorded_is_not_handed_out():
    phone = Phone2()
    scene = served(phone, broken="event %d" % event.RECEIPT)
    assert "release" in scene.log and not phone.receipts and scene.decision.is_granted


def test_no_receipt_for_who_wants_none_is_refused_or_found_the_strike_broken():
    phone = Phone2()
    phone.wants_receipt = False
    assert "sign" not in served(phone).log
    assert "sign" not in served(Phone2(), reason=event.EXPIRED).log
    scene = served(Phone2(), broken="strike")
    assert "sign" not in scene.log and scene.recorded[-1][0] == event.STRIKE_FAILED


def test_a_phone_that_goes_before_its_receipt_has_it_in_the_trail_all_the_same():
    phone = Phone2(error=PhoneGone())
    phone.fails = "give"
    scene = served(phone)
    assert [kind for kind, _ in scene.recorded] == [event.ACCESS, event.RECEIPT]
    assert "collect" not in scene.log


def test_a_phone_that_goes_before_the_result_gets_no_receipt():
    for error in (PhoneGone(), PhoneStrange(), PhoneGone(event.READER)):
        phone = Phone2(error=error)
        phone.fails = "tell"
        scene = served(phone)
        assert scene.log[-1] == "release" and scene.decision.is_granted


def test_a_nonce_goes_to_a_phone_that_understands_it():
    for phone in (Session(), Phone2()):
        scene = Scene()
        scene.news.wish = b"n" * 16
        scene.serve(phone)
        said = [1, 0] if phone.version == 1 else [2, 0, 3, b"n" * 16]
        assert cbor.decode(phone.results[0]) == said


def test_a_token_is_taken_before_the_decision_if_it_is_wanted():
    scene = Scene()
    scene.news.wish = b"n" * 16
    assert scene.serve(Phone2())[:4] == ["fetch 2", "token token", "rest", "judge"]
    assert served(Phone2()).log[0] == "judge"
    # One that promised a token and keeps it changes nothing.
    phone = Phone2(error=PhoneGone())
    phone.fails = "fetch 2"
    scene = Scene()
    scene.news.wish = b"n" * 16
    assert scene.serve(phone)[0] == "judge" and scene.decision.is_granted


def test_a_list_that_is_missing_is_taken_and_the_credential_judged_again():
    scene = Scene(reason=event.NO_LIST)
    scene.news.then = event.GRANTED
    assert scene.serve(Phone2())[:3] == ["judge", "collect", "judge"]
    assert scene.reasons == [event.GRANTED]
    # What it brings may be of no use, or it may bring none.
    assert served(Phone2(), reason=event.NO_LIST).reasons == [event.NO_LIST]
    assert served(Session(), reason=event.NO_LIST).log == ["judge", "shoot", "event 2", "tell"]


def test_who_is_refused_may_bring_news_if_the_credential_is_genuine():
    assert "collect" in served(Phone2(), reason=event.EXPIRED).log
    scene = Scene(reason=event.FORGED)
    scene.gate.claim = None
    assert "collect" not in scene.serve(Phone2())


def test_a_phone_that_proves_nothing_is_refused():
    for session in (Session(said=proof.pack(bytes(64))), Session(said=b""), Session(error=PhoneStrange())):
        session.fails = "proof" if session.error else ""
        scene = served(session)
        assert "spend" not in scene.log and "release" not in scene.log
        assert scene.reasons == [event.WRONG_HOLDER]
        assert session.results == [proof.result(event.WRONG_HOLDER)]


def test_a_key_is_prepared_while_the_phone_signs():
    log = served(Session()).log
    assert log.index("challenge") < log.index("prepare") < log.index("proof")
    # No point of the curve: nobody holds it.
    scene = Scene()
    scene.has_key = False
    assert "release" not in scene.serve(Session()) and scene.reasons == [event.WRONG_HOLDER]


def test_a_phone_that_goes_before_its_proof():
    for error, reason in ((PhoneGone(), event.CARD_LOST), (PhoneGone(event.READER), event.READER)):
        session = Session(error=error)
        session.fails = "proof"
        scene = served(session)
        assert scene.reasons == [reason] and "release" not in scene.log
        assert ("tell" in scene.log) == (reason != event.CARD_LOST)


def test_one_that_goes_again_and_again_is_recorded_once():
    session = Session(error=PhoneGone())
    session.fails = "proof"
    scene = Scene()
    scene.serve(session, is_trusted=False, is_news=lambda: False)
    assert not scene.recorded and "shoot" not in scene.log
    # Whoever was pictured is written down.
    scene.serve(session, is_news=lambda: False)
    assert scene.reasons == [event.CARD_LOST]


def test_one_that_is_not_trusted_gets_its_picture_after_the_proof():
    scene = Scene()
    log = scene.serve(Session(), is_trusted=False)
    assert log.index("proof") < log.index("shoot") < log.index("spend")


def test_a_refusal_waits_before_it_is_written_down_and_a_grant_does_not():
    for reason, said in ((event.EXPIRED, GOOD), (event.GRANTED, b"\x02" * 64), (event.GRANTED, GOOD)):
        scene = Scene(reason=reason)

        async def rest(session):
            session.scene.do("pause")
            # Meanwhile nobody else waits for the camera.
            assert session.scene.held in ([], [True, False])

        log = scene.serve(Remote(said=said), event.BLE, rest=rest)
        assert ("pause" in log) != scene.decision.is_granted
        if not scene.decision.is_granted:
            assert log.index("pause") < log.index("event 2")


def test_who_goes_before_it_is_refused_is_not_written_down():
    async def rest(session):
        raise PhoneGone

    for reason, said in ((event.EXPIRED, GOOD), (event.GRANTED, b"\x02" * 64)):
        scene = Scene(reason=reason)
        try:
            scene.serve(Remote(said=said), event.BLE, rest=rest)
        except PhoneGone:
            assert not scene.recorded and scene.held in ([], [True, False])
            continue
        raise AssertionError("it rests")


def test_at_a_distance_the_echo_comes_before_the_challenge():
    phone = Remote()
    scene = served(phone, event.BLE)
    assert scene.log[:3] == ["judge", "echo", "challenge"] and scene.decision.is_granted
    assert phone.echoed == [b"\x01" * 8]


def test_an_echo_may_be_late_twice():
    for echoes, is_near in (((251, 250), True), ((300, 999, 10), True), ((251, 251, 251, 0), False)):
        phone = Remote(echoes=echoes)
        scene = served(phone, event.BLE)
        assert scene.decision.reason == (event.GRANTED if is_near else event.TOO_SLOW)
        assert ("challenge" in scene.log) == is_near == ("release" in scene.log)
        # Each has bytes of its own.
        assert len(set(phone.echoed)) == len(phone.echoed) <= 3


def test_a_proof_that_takes_long_came_from_far():
    for took_ms, reason in ((2000, event.GRANTED), (2001, event.TOO_SLOW)):
        assert served(Remote(took_ms=took_ms), event.BLE).reasons == [reason]


def test_nobody_opens_at_a_distance_who_did_not_act():
    acts = ((0, event.GRANTED), (10_000, event.GRANTED), (10_001, event.NO_ACT), (65535, event.NO_ACT))
    for act_ms, reason in acts + ((None, event.NO_ACT),):
        assert served(Remote(act_ms=act_ms), event.BLE).reasons == [reason]


def test_one_that_goes_or_speaks_otherwise_at_the_echo():
    for error, reason in ((PhoneGone(), event.CARD_LOST), (PhoneStrange(), event.WRONG_HOLDER)):
        phone = Remote(error=error)
        phone.fails = "echo"
        assert served(phone, event.BLE).reasons == [reason]


def test_what_was_revoked_meanwhile_does_not_open():
    for reason in (event.REVOKED, event.NO_LIST):
        scene = Scene()
        scene.gate.later = reason
        log = scene.serve(Session())
        assert "spend" not in log and scene.reasons == [reason]


def test_two_phones_that_share_one_use():
    scene = Scene(left=1)
    phones = [Session(scene), Remote(scene)]

    async def both():
        vias = (event.PHONE, event.BLE)
        visits = [scene.visit.serve(phone, b"credential", via) for phone, via in zip(phones, vias)]
        return await asyncio.gather(*visits)

    decisions = asyncio.run(both())
    # Both were judged, and had proved themselves, before one of them opened.
    assert scene.log.count("judge") == scene.log.count("proof") == 2
    assert scene.log.count("spend") == scene.log.count("release") == 1
    assert sorted(decision.reason for decision in decisions) == [event.GRANTED, event.ALREADY_USED]


def test_a_refusal_spends_nothing():
    assert served(None, event.BADGE, reason=event.EXPIRED).log == ["judge", "shoot", "event 2"]


def test_a_full_ledger_refuses():
    scene = served(None, event.BADGE, broken="full", holder=None)
    assert "release" not in scene.log and scene.reasons == [event.USES_FULL]


def test_a_flash_that_fails_keeps_the_door_locked():
    for broken in ("judge", "spend", "event 2"):
        for session in (None, Session(), Remote()):
            scene = Scene(broken=broken, holder=bytes(64) if session else None)
            try:
                scene.serve(session)
                raise AssertionError("it was not said")
            except FlashError:
                assert "release" not in scene.log and "tell" not in scene.log
            # No picture is held for ever.
            assert scene.held in ([], [True, False])


def test_without_room_nothing_opens_and_the_camera_goes_on():
    for place in ("prepare", "verify"):
        scene = Scene()

        def fail(*arguments):
            raise MemoryError()

        setattr(scene, place, fail)
        scene.visit = scene.make_visit()
        try:
            scene.serve(Session())
            raise AssertionError("it was not said")
        except MemoryError:
            assert scene.held == [True, False] and "release" not in scene.log and "spend" not in scene.log


def test_a_phone_that_nobody_has_room_to_talk_to_was_let_in():
    phone = Phone2(error=MemoryError())
    phone.fails = "tell"
    scene = served(phone)
    assert scene.log[-1] == "release" and scene.decision.is_granted


def test_good_is_what_the_tests_say():
    assert proof.read(GOOD) == b"\x01" * 64
