"""A lock's News in a folder of its own, an issuer that signs by a hash, and carriers that follow a script."""

# ruff: noqa: I001 - first what takes the most to compile, while there is room.
from firmware.store import intake  # noqa: F401

import gc
import os
import sys
from hashlib import sha256

import cose
from fake_issuer import KID, FakeIssuer

from firmware.core import bulletin
from firmware.core.clock import Clock
from firmware.core.errors import PhoneGone
from firmware.store import ledger
from firmware.task.news import News
from firmware.task.timekeeping import Timekeeping

BUILDING = "maple-12"
DOOR = "maple-12/front"
OTHER_KID = b"\x55" * 4
FILES = ("revoked", "revoked.new")


class Kept:
    """A ledger in memory."""

    def __init__(self):
        self.values = {ledger.IDENTITY: b"\x01" * 32}

    def get(self, number):
        return self.values.get(number)

    def put(self, number, value):
        self.values[number] = value

    def put_integer(self, number, value):
        self.values[number] = value.to_bytes(4, "big")


class Trail:
    def __init__(self):
        self.events = []

    def record(self, kind, details):
        self.events.append((kind, details))
        return len(self.events)


class Config:
    building = BUILDING
    full_name = DOOR

    def __init__(self):
        self.issuers = [(KID, "maple-office", b"\x82" * 32)]


class Uptime:
    def __init__(self):
        self.ms = 1_000

    def now_ms(self):
        return self.ms


class Rtc:
    def set(self, time_s):
        assert isinstance(time_s, int)
        self.time_s = time_s


class Case:
    """One lock. `start()` starts it again with what its folder and ledger hold."""

    def __init__(self, floor_s=0, kept=None, forget=lambda names: None):
        self.kept = kept or Kept()
        self.trail = Trail()
        self.config = Config()
        self.uptime = Uptime()
        self.issuer = FakeIssuer()
        self.clock = Clock(floor_s)
        self.rtc = Rtc()
        self.boot = 0
        self.forget = forget
        self.start()

    def start(self):
        self.boot += 1
        timekeeping = Timekeeping(self.clock, self.kept, self.trail, self.rtc, self.uptime)
        self.news = News(
            self.config,
            {KID: self.issuer},
            self.kept,
            self.trail,
            self.clock,
            timekeeping,
            self.uptime,
            self.boot,
            self.forget,
        )
        return self.news

    def kinds(self):
        return [kind for kind, _ in self.trail.events]


def forget(names):
    """Has modules of the firmware loaded no longer, as the lock does."""
    for name in names:
        package, _, attribute = ("firmware." + name).rpartition(".")
        if sys.modules.pop("firmware." + name, None):
            delattr(sys.modules[package], attribute)


def enter_folder(path):
    """Makes `path` the working folder, without a list in it."""
    try:
        os.mkdir(path)
    except OSError:
        pass
    os.chdir(path)
    clear_folder()
    gc.collect()
    gc.threshold(8192)


def clear_folder():
    for name in FILES:
        if name in os.listdir():
            os.remove(name)


def make_id(number):
    """Returns the id `number`, from 0 to 1,001, of a long list; they ascend."""
    return (number * 0x3FF0_1234_5678_9A + 0x1234).to_bytes(8, "big")


def make_ids(count):
    """Returns that many ids, ascending."""
    return [make_id(number) for number in range(count)]


def sign(payload, kid=KID, issuer=None):
    header = bulletin.protected(kid)
    return cose.pack(payload, (issuer or FakeIssuer()).sign(cose.to_be_signed(payload, header)), header)


def make_list(version, ids, building=BUILDING, kid=KID, issuer=None, count=None, digest=None):
    body = b"".join(ids)
    digest = sha256(body).digest() if digest is None else digest
    payload = bulletin.list_payload(building, version, len(ids) if count is None else count, digest)
    return sign(payload, kid, issuer) + body


def make_token(nonce, time_s, door=DOOR, kid=KID, issuer=None):
    return sign(bulletin.time_payload(door, nonce, time_s), kid, issuer)


class Carrier:
    """A phone that brings `data`, `piece` bytes at a time at most, and is gone after `left` pieces."""

    is_remote = False

    def __init__(self, data, version, piece=240, left=1_000):
        self.data = data
        self.list_version = version
        self.piece = piece
        self.left = left
        self.asked = []

    async def fetch(self, what, offset, most):
        assert what == 1 and 1 <= most <= 480
        self.left -= 1
        if self.left < 0:
            raise PhoneGone()
        self.asked.append((offset, most))
        return self.data[offset : offset + min(most, self.piece)]


def finish(coroutine):
    """Runs `coroutine`, which waits for nothing, and returns its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("it waits")


def bring(news, data, version, **options):
    carrier = Carrier(data, version, **options)
    finish(news.collect(carrier))
    return carrier


class Console:
    """As much of the console as an upload asks for."""

    def __init__(self, news):
        self.news = news
        self.line = self

    async def give_way(self, quiet_ms, limit_ms):
        return True


def send(upload, data):
    have = upload.have
    while have < len(data):
        have = finish(upload.take(have, data[have : have + 120]))
