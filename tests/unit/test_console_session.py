from console_case import PUBLIC, Case
from ed25519 import Signer

from firmware.core import event
from firmware.core.errors import FlashError
from firmware.store import claim, ledger

OWNER = Signer(b"\x03" * 32)
INSTALLER = Signer(b"\x05" * 32)
STRANGER = Signer(b"\x06" * 32)
DOMAIN = b"LobbyLock console 1"


def claimed():
    case = Case()
    claim.keep(case.kept, OWNER.public, OWNER.public)
    return case


def knock(case, signer=OWNER, door=PUBLIC, nonce=None):
    nonce = nonce or bytes.fromhex(case.ask("nonce")["nonce"])
    return case.ask("open", key=signer.public.hex(), sig=signer.sign(DOMAIN + door + nonce).hex())


def test_a_claim_is_recorded_and_kept_and_there_is_only_one():
    case = Case()
    for owner in ("", "00", "00" * 32, "01" + "00" * 31, "ff" * 32, OWNER.public.hex()[:-2] + "zz", 7, None):
        # Too short, of small order, no point, no hex, no text.
        assert case.refusal("claim", owner=owner) == "value", owner
    assert case.refusal("claim") == "value"
    assert not case.trail.records and ledger.CLAIM not in case.kept.values
    reply = case.ask("claim", owner=OWNER.public.hex())
    assert reply["public_key"] == PUBLIC.hex() and reply["journal"] == {"seq": 2, "key": "04" * 32}
    assert case.trail.records == [(event.CLAIMED, {event.KID: claim.kid(OWNER.public)})]
    assert case.kept.values[ledger.CLAIM] == OWNER.public * 2
    assert case.refusal("claim", owner=STRANGER.public.hex()) == "claimed"
    assert case.refusal("develop") == "claimed"
    assert case.kept.values[ledger.CLAIM] == OWNER.public * 2


def test_a_claim_may_name_whose_releases_it_takes():
    case = Case()
    assert case.ask("claim", owner=OWNER.public.hex(), release=STRANGER.public.hex())["ok"]
    assert claim.release_key(case.kept) == STRANGER.public


def test_a_claim_that_cannot_be_recorded_is_none():
    case = Case()

    def fail(kind):
        raise FlashError("no")

    case.trail.before = fail
    assert case.refusal("claim", owner=OWNER.public.hex()) == "flash"
    assert ledger.CLAIM not in case.kept.values


def test_a_claim_whose_reply_was_lost_is_answered_once_more():
    case = Case()
    line = b'{"id":77,"do":"claim","owner":"' + OWNER.public.hex().encode() + b'"}\n'
    first = case.send(line)
    assert first[0]["ok"] and case.send(line) == first
    assert case.trail.kinds() == [event.CLAIMED]
    case.run(11_000)
    assert case.send(line)[0]["error"] == "claimed"


def test_without_a_claim_there_is_no_session_and_with_one_no_prompt():
    case = Case()
    for word in ("nonce", "open", "close", "status", "time", "begin", "export", "reset", "installers"):
        assert case.refusal(word) == "unclaimed", word
    assert case.ask("develop")["ok"] and case.ended == "develop"
    assert case.trail.kinds() == [event.DEVELOPED]


def test_an_owner_is_let_in_and_out():
    case = claimed()
    assert case.refusal("close") == "session"
    reply = knock(case)
    assert reply["role"] == "owner" and reply["idle_s"] == 300 and reply["limit_s"] == 3600
    kid = claim.kid(OWNER.public)
    assert case.trail.records == [(event.SESSION_OPENED, {event.KID: kid, event.RIGHTS: event.OWNER})]
    assert case.ask("installers")["ids"] == []
    assert case.ask("close")["ok"]
    assert case.trail.records[1:] == [(event.SESSION_CLOSED, {event.KID: kid, event.COUNT: 2})]
    assert case.refusal("installers") == "session"


def test_another_key_another_door_another_nonce():
    case = claimed()
    assert knock(case, STRANGER)["error"] == "signature"
    assert knock(case, OWNER, b"\x01" * 32)["error"] == "signature"
    assert case.console.session is None
    refused = [details for kind, details in case.trail.records if kind == event.SESSION_REFUSED]
    # One a minute; the rest is told of later.
    assert refused == [{event.REASON: event.UNKNOWN_ISSUER, event.COUNT: 1}]
    assert knock(case)["ok"]


def test_a_nonce_is_good_for_one_signature_and_a_minute():
    case = claimed()
    nonce = bytes.fromhex(case.ask("nonce")["nonce"])
    assert knock(case, nonce=nonce)["ok"] and case.ask("close")["ok"]
    # The same signature, heard on the wire.
    assert knock(case, nonce=nonce)["error"] == "nonce"
    # With a fresh nonce it is a signature of something else.
    case.ask("nonce")
    assert knock(case, nonce=nonce)["error"] == "signature"
    nonce = bytes.fromhex(case.ask("nonce")["nonce"])
    case.run(61_000)
    assert knock(case, nonce=nonce)["error"] == "nonce"
    nonces = {case.ask("nonce")["nonce"] for _ in range(20)}
    assert len(nonces) == 20


def test_another_nonce_takes_the_place_of_the_first():
    case = claimed()
    first = bytes.fromhex(case.ask("nonce")["nonce"])
    case.ask("nonce")
    assert knock(case, nonce=first)["error"] == "signature"


def test_wrong_signatures_have_to_wait_longer_and_longer():
    case = claimed()
    for _ in range(3):
        assert knock(case, STRANGER)["error"] == "signature"
    for wait_s in (10, 20, 40, 80, 160, 320, 600, 600):
        # Not even the owner's, and the nonce is not spent on it.
        assert knock(case)["error"] == "locked", wait_s
        case.run(1000 * wait_s)
        assert knock(case, STRANGER)["error"] == "signature", wait_s
    case.run(600_000)
    assert knock(case)["ok"]
    case.ask("close")
    for _ in range(2):
        assert knock(case, STRANGER)["error"] == "signature"
    assert knock(case)["ok"]


def test_refusals_are_told_of_once_a_minute():
    case = claimed()
    for _ in range(5):
        knock(case, STRANGER)
    case.run(120_000)
    told = [details[event.COUNT] for kind, details in case.trail.records if kind == event.SESSION_REFUSED]
    assert told == [1, 4]
    assert case.trail.records[-1][1][event.REASON] == event.LOCKED_OUT


def test_a_session_ends_by_itself():
    case = claimed()
    knock(case)
    case.run(290_000)
    assert case.ask("installers")["ok"]
    case.run(301_000)
    assert case.refusal("installers") == "session"
    assert case.trail.kinds() == [event.SESSION_OPENED, event.SESSION_CLOSED]
    knock(case)
    for _ in range(14):
        case.run(250_000)
        assert case.ask("installers")["ok"]
    case.run(105_000)
    assert case.refusal("installers") == "session"
    assert case.trail.kinds()[2:] == [event.SESSION_OPENED, event.SESSION_CLOSED]


def test_a_new_session_ends_the_old_one():
    case = claimed()
    knock(case)
    claim.keep_installers(case.kept, [INSTALLER.public])
    assert knock(case, INSTALLER)["role"] == "installer"
    assert case.trail.kinds() == [event.SESSION_OPENED, event.SESSION_CLOSED, event.SESSION_OPENED]


def test_what_an_installer_may_not():
    case = claimed()
    claim.keep_installers(case.kept, [INSTALLER.public])
    knock(case, INSTALLER)
    for word in ("installers", "enrolment", "reset"):
        assert case.refusal(word) == "role", word
    assert case.refusal("nothing") == "unknown"
    assert case.ask("close")["ok"]


def test_a_session_that_cannot_be_recorded_is_none():
    case = claimed()

    def fail(kind):
        raise FlashError("no")

    case.trail.before = fail
    assert knock(case)["error"] == "flash"
    assert case.console.session is None


def test_the_door_has_its_turn_first():
    case = claimed()
    nonce = bytes.fromhex(case.ask("nonce")["nonce"])

    def come():
        case.attention.touch(case.time.ms)
        if case.time.ms < 30_000:
            case.time.due.append((case.time.ms + 1_200, come))

    come()
    reply = knock(case, nonce=nonce)
    assert reply["error"] == "busy", reply
    case.run(30_000)
    # It was not spent.
    assert knock(case, nonce=nonce)["ok"]


def test_a_restart_waits_for_whoever_is_there():
    case = claimed()
    knock(case)
    case.attention.touch(case.time.ms)
    start_ms = case.time.ms
    assert case.ask("restart")["ok"] and case.ended == "restart"
    assert case.time.ms - start_ms >= 2_500
    assert case.trail.kinds() == [event.SESSION_OPENED, event.SESSION_CLOSED]


def test_installers_come_and_go():
    case = claimed()
    knock(case)
    keys = [Signer(bytes([number]) * 32).public for number in range(11, 15)]
    for at, key in enumerate(keys):
        assert case.ask("installers", set=at, key=key.hex())["ids"][at] == claim.kid(key).hex()
    assert case.refusal("installers", set=4, key=keys[0].hex()) == "value"
    assert case.refusal("installers", set=0, key="00" * 32) == "value"
    assert claim.installers(case.kept) == keys
    assert case.ask("installers", set=1, key="")["ids"] == [claim.kid(keys[at]).hex() for at in (0, 2, 3)]
    assert claim.installers(case.kept) == [keys[0], keys[2], keys[3]]
    before = len(case.trail.records)
    # The same once more is no change.
    assert case.ask("installers", set=0, key=keys[0].hex())["ok"] and len(case.trail.records) == before
    assert case.trail.kinds().count(event.INSTALLERS_CHANGED) == 5
    assert claim.rights_of(case.kept, keys[2]) == event.INSTALLER and not claim.rights_of(case.kept, keys[1])
    assert claim.rights_of(case.kept, OWNER.public) == event.OWNER


def test_the_journal_s_key_is_told_until_the_first_acknowledgement():
    case = claimed()
    knock(case)
    assert case.ask("enrolment")["journal"] == {"seq": 2, "key": "04" * 32}
    case.console.journal.acked_seq = 1
    assert case.refusal("enrolment") == "enrolled"
