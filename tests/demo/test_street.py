"""The street of the demonstration: what is done there reaches the lock by its chips, and nothing else."""

import threading
import time

import pytest

from lobbylock.demo.pocket import BADGES
from lobbylock.demo.stage import Stage
from lobbylock.demo.street import Street, View
from lobbylock.errors import UserError

# Generous: a busy machine delays it, nothing else does.
_LIMIT_S = 60


class Passer:
    """Somebody in the street, who does things and waits for what is to be seen."""

    def __init__(self, street: Street, stage: Stage) -> None:
        self.street = street
        self.stage = stage

    def do(self, act: str, value: str) -> str:
        return self.street.do(act, value)

    def expect(self, condition, limit_s: float = _LIMIT_S) -> View:
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            view = self.street.view
            if condition(view):
                return view
            time.sleep(0.02)
        raise AssertionError(f"never seen; last {self.street.view}, console {self.stage.board.console[-5:]}")

    def expect_event(self, condition):
        """Waits for an event in the collector's lines; returns it."""
        end_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < end_s:
            found = next(filter(condition, self.stage.events()), None)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"no such event: {self.stage.events()[-5:]}")

    def expect_reason(self, reason: str, count: int = 1) -> None:
        """Waits until the collector has had `count` accesses with that reason."""
        self.expect_event(lambda _: len(self._reasons(reason)) >= count)

    def _reasons(self, reason: str):
        return [found for found in self.stage.events("access") if found["details"]["reason"] == reason]

    def rest(self) -> None:
        """Waits until nobody is at the reader and the strike is at rest."""
        self.expect(lambda view: not view.held and not view.is_released)


@pytest.fixture(scope="module")
def passer(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("street"), now_s=time.time) as stage:
        assert stage.wait_for_time(), stage.board.console
        stage.board.run_for(2_500)
        with Street(stage) as street:
            yield Passer(street, stage)


def test_typed_keys_open_and_the_camera_sees_who_came(passer):
    before = passer.street.view.frames
    for key in passer.street.pocket.code().digits + "#":
        passer.do("key", key)
    passer.expect(lambda view: view.is_released)
    passer.do("door", "open")
    passer.expect(lambda view: view.is_open)
    view = passer.expect(lambda view: not view.is_released)
    assert view.frames == before + 1
    assert passer.street.frame[:2] == b"\xff\xd8"
    passer.do("door", "close")
    passer.expect(lambda view: not view.is_open)
    passer.expect_reason("granted")
    passer.rest()


def test_badges_open_once_or_not_at_all(passer):
    granted = len(passer._reasons("granted"))
    passer.do("badge", "valid")
    passer.expect(lambda view: view.held == "valid")
    passer.expect_reason("granted", granted + 1)
    passer.rest()
    moves = len(passer.stage.board.strike.history)
    for kind, reason in (("copied", "already_used"), ("expired", "expired"), ("forged", "forged")):
        assert BADGES[kind] in passer.do("badge", kind)
        passer.expect_reason(reason)
        passer.rest()
    assert len(passer.stage.board.strike.history) == moves


def test_phone_opens_by_nfc_and_by_ble(passer):
    passer.do("phone", "nfc")
    passer.expect_event(lambda found: found["kind"] == "access" and found["details"]["via"] == "phone")
    passer.rest()
    passer.do("phone", "ble")
    view = passer.expect(lambda view: any("told: granted" in line.what for line in view.lines))
    assert any("with a receipt of" in line.what for line in view.lines)
    passer.expect_event(lambda found: found["kind"] == "access" and found["details"]["via"] == "ble")
    passer.rest()


def test_a_locked_door_stays_shut_unless_it_is_forced(passer):
    passer.rest()
    assert "locked" in passer.do("door", "open")
    assert not passer.street.view.is_open
    passer.do("door", "force")
    passer.expect_event(lambda found: found["kind"] == "door_forced")
    passer.do("door", "close")
    passer.do("exit", "press")
    passer.expect(lambda view: view.is_released)
    passer.expect_event(lambda found: found["kind"] == "exit_requested")
    passer.rest()


def test_without_network_the_door_opens_and_the_event_comes_later(passer):
    passer.do("network", "off")
    passer.expect(lambda view: not view.is_networked)
    passer.do("badge", "valid")
    passer.expect(lambda view: view.is_released)
    passer.rest()
    # Half a minute at most until the lock tries again.
    known = len(passer.stage.events("access"))
    passer.do("network", "on")
    passer.expect_event(lambda _: len(passer.stage.events("access")) > known)


def test_power_cut_rests_the_strike_and_the_lock_starts_anew(passer):
    boot = passer.stage.boot
    passer.do("exit", "press")
    passer.expect(lambda view: view.is_released)
    passer.do("power", "off")
    view = passer.expect(lambda view: view.power == "off")
    assert not view.is_released
    passer.do("power", "on")
    passer.expect(lambda view: view.power == "on")
    assert passer.stage.boot == boot + 1


def test_only_what_there_is_can_be_done(passer):
    for act, value in (("key", "12"), ("key", ""), ("badge", "golden"), ("door", ""), ("strike", "on"), ("exit", "")):
        with pytest.raises(KeyError):
            passer.do(act, value)


def test_the_board_is_touched_by_one_thread(passer, monkeypatch):
    seen = set()
    contact = passer.stage.board.contact
    for name in ("open", "close"):
        act = getattr(contact, name)
        monkeypatch.setattr(contact, name, lambda act=act: (seen.add(threading.current_thread().name), act()))
    leave = passer.street.listen(lambda _: seen.add(threading.current_thread().name))
    threads = [threading.Thread(target=passer.do, args=("door", act)) for act in ("force", "close") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    leave()
    assert seen == {"street"}
    passer.do("door", "close")


def test_an_altered_row_is_found_by_the_audit_and_can_be_put_back(passer):
    said = passer.do("row", "alter")
    passer.expect(lambda view: view.altered and view.altered in said)
    with pytest.raises(UserError, match="Put it back first"):
        passer.do("row", "alter")
    seq = int(said.split("#")[1].split()[0])
    done = passer.stage.run("audit", "verify", "--store", str(passer.stage.store), "--json")
    assert done.returncode == 1
    assert f'"seq": {seq}' in done.stdout
    passer.do("row", "restore")
    done = passer.stage.run("audit", "verify", "--store", str(passer.stage.store), "--json")
    assert done.returncode == 0, done.stdout
    with pytest.raises(UserError, match="No row is altered"):
        passer.do("row", "restore")
