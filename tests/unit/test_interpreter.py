"""That tests/unit runs where it is meant to: on MicroPython, in a board's heap, with the built-in modules."""

import gc
import sys


def test_interpreter_is_micropython():
    assert sys.implementation.name == "micropython"


def test_heap_is_a_boards():
    gc.collect()
    assert gc.mem_free() + gc.mem_alloc() < 150_000


def test_hash_is_the_built_in_one():
    """micropython-lib has a package of this name that is slow and would hide it."""
    import hashlib

    assert not hasattr(hashlib, "__file__")
    assert hashlib.sha256(b"abc").digest()[:4] == b"\xba\x78\x16\xbf"


def test_mqtt_client_is_on_the_path():
    from umqtt.simple import MQTTClient

    assert MQTTClient("lock", "broker").port == 1883


def test_typing_is_the_boards():
    from typing import TYPE_CHECKING

    assert TYPE_CHECKING is False


async def test_asynchronous_test_is_awaited():
    import asyncio

    await asyncio.sleep(0)
