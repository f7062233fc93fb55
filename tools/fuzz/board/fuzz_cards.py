"""Targets that talk to a card: the input is what the card has in its memory, or what it answers. For verdicts.py."""

import isodep
import ndef
from fuzz_formats import ok

from firmware.core import credential, proof
from firmware.core.errors import PhoneGone
from firmware.reader import badge, phone

_CHALLENGE = proof.challenge("maple-12/front", bytes(range(16)))


def finish(coroutine):
    """Runs `coroutine`, which waits for nothing, and returns its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("it waits")


def answers_in(data: bytes):
    """Yields the answers of a script: two bytes of length in front of each; the last may be shorter than it says."""
    at = 0
    while at + 2 <= len(data):
        size = data[at] << 8 | data[at + 1]
        at += 2
        yield data[at : at + size]
        at += size


def _scripted(data: bytes):
    """Returns an `exchange` that answers by script, and with nothing behind its end."""
    script = answers_in(data)

    async def exchange(command):
        if len(command) > 262:
            raise ValueError("command too long for the chip")
        return next(script, b"")

    return exchange


def _type2():
    def check(data):
        if len(data) < 4:
            return "no"
        # After how many commands which byte of the memory changes, and how.
        left, at, flips = data[0], data[1] << 8 | data[2], data[3]
        memory = bytearray(data[4:])

        async def exchange(command):
            nonlocal left
            left -= 1
            if not left and memory:
                memory[at % len(memory)] ^= flips
            page = command[1] * 4
            return bytes(memory[page : page + 16])

        try:
            return ok(finish(badge.read(exchange, False)))
        except ndef.TagError:
            return "no"

    return check


def _type4():
    def check(data):
        try:
            return ok(finish(isodep.read_message(_scripted(data))))
        except ndef.TagError as error:
            return "no status" if isinstance(error, isodep.StatusError) else "no"

    return check


def _phone():
    async def play(exchange, heard):
        session = phone.PhoneSession(exchange)
        heard.append(await session.credential())
        heard += [session.version, session.wants_receipt, session.has_token, session.list_version]
        heard.append(await session.prove(_CHALLENGE))
        await session.tell(b"result")
        if session.wants_receipt:
            await session.give(bytes(240))
        at = 0
        for most in (240, 7, 240) if session.list_version else ():
            heard.append(await session.fetch(proof.LIST, at, most))
            if not 0 < len(heard[-1]) <= most:
                raise ValueError("a piece of another size")
            at += len(heard[-1])
        if session.has_token:
            heard.append(await session.fetch(proof.TOKEN, 0, proof.MAX_TOKEN_BYTES))
            if not 0 < len(heard[-1]) <= proof.MAX_TOKEN_BYTES:
                raise ValueError("a token of another size")

    def check(data):
        heard = []
        try:
            finish(play(_scripted(data), heard))
        except ndef.TagError as error:
            # Before anything was shown; from then on a phone is gone or strange.
            if heard:
                raise
            return "no status" if isinstance(error, isodep.StatusError) else "no"
        except PhoneGone as error:
            return ok(*heard) + " " + type(error).__name__
        if len(heard[0]) > (credential.MAX_BYTES if heard[1] == 1 else proof.MAX_CREDENTIAL_BYTES):
            raise ValueError("a credential too long")
        return ok(*heard, proof.read(heard[5]))

    return check


TARGETS = {"type2": _type2, "type4": _type4, "phone": _phone}
