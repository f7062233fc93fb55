"""Brings lists and tokens to doors over a broker: retained, so that a lock finds them whenever it comes."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import aiomqtt
import typer

from lobbylock.address import Address
from lobbylock.bulletin import MAX_PIECES, make_token, read_list, split_list
from lobbylock.errors import UserError
from lobbylock.home import Home
from lobbylock.names import is_door
from lobbylock.revocation import Book
from lobbylock.signature import Signer

_TIMEOUT_S = 10
_NONCE_HEX = 32
# One token for each nonce; a door that asks for more waits.
_EACH_S = 5.0
_LOOK_S = 2.0
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0

BrokerOption = Annotated[
    str | None, typer.Option("--broker", envvar="LOBBYLOCK_BROKER", metavar="URL", help="Publish it there.")
]
UserOption = Annotated[str | None, typer.Option("--user", help="Broker user of the issuer.")]
PasswordOption = Annotated[str | None, typer.Option("--password", envvar="LOBBYLOCK_MQTT_PASSWORD", show_envvar=True)]
CaOption = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="PEM certificate that the broker's chains to.")
]
CertOption = Annotated[Path | None, typer.Option("--cert", metavar="FILE", help="PEM certificate of the issuer.")]
KeyOption = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="PEM key of the issuer.")]


def list_messages(doors: Iterable[str], data: bytes) -> list[tuple[str, bytes]]:
    """Returns the retained messages (topic, payload) that bring the list `data` to each of `doors`."""
    head, pieces = split_list(data)
    messages = []
    for door in doors:
        topic = f"lobbylock/{door}/list/"
        messages += [(f"{topic}{number}", piece) for number, piece in enumerate(pieces)]
        # What a longer list has left there.
        messages += [(f"{topic}{number}", b"") for number in range(len(pieces), MAX_PIECES)]
        # Last: who sees it finds the pieces that belong to it.
        messages.append((f"{topic}head", head))
    return messages


def publish(address: Address, messages: list[tuple[str, bytes]]) -> None:
    """Publishes retained messages, and returns when the broker has them all. Raises UserError."""
    try:
        asyncio.run(_publish(address, messages))
    except aiomqtt.MqttError as error:
        raise UserError(f"The broker at {address} does not take it: {error.__cause__ or error}.") from None


async def _publish(address: Address, messages: list[tuple[str, bytes]]) -> None:
    async with _client(address) as client:
        await _publish_all(client, messages)


async def _publish_all(client: aiomqtt.Client, messages: list[tuple[str, bytes]]) -> None:
    for topic, payload in messages:
        await client.publish(topic, payload, qos=1, retain=True)


def _client(address: Address) -> aiomqtt.Client:
    return aiomqtt.Client(
        address.host,
        address.port,
        username=address.user,
        password=address.password,
        tls_context=address.tls,
        timeout=_TIMEOUT_S,
    )


class Server:
    """Answers the doors of `home` that want the time, and publishes lists whenever one was made.

    `say` is told what it does. `now_s` gives Unix time.
    """

    def __init__(self, home: Home, say: Callable[[str], None], now_s: Callable[[], float] = time.time) -> None:
        self._home = home
        self._say = say
        self._now_s = now_s
        self._answered: dict[str, float] = {}
        self._published: dict[str, int] = {}

    def answer(self, topic: str, payload: bytes) -> tuple[str, bytes] | None:
        """Returns (topic, token) for a door's nonce, or None for what is none of ours, and for one too many."""
        parts = topic.split("/")
        door = "/".join(parts[1:3])
        if len(parts) != 4 or parts[0] != "lobbylock" or parts[3] != "nonce" or not is_door(door):
            return None
        if len(payload) != _NONCE_HEX or door not in self._home.door_names():
            return None
        try:
            nonce = bytes.fromhex(payload.decode("ascii"))
        except ValueError:
            return None
        now_s = self._now_s()
        # A clock that was set back has answered nobody since.
        if 0 <= now_s - self._answered.get(door, -_EACH_S) < _EACH_S:
            return None
        self._answered[door] = now_s
        self._say(f"{door} asks for the time.")
        try:
            return f"lobbylock/{door}/time", make_token(self._signer(), door, nonce, int(now_s))
        except UserError as error:
            self._say(f"{door} gets none: {error}")
            return None

    def _signer(self) -> Signer:
        return self._home.issuer().signer

    def news(self) -> list[tuple[str, bytes]]:
        """Returns what there is to publish since the last time: the lists that were made, for each of their doors."""
        messages = []
        names = self._home.door_names()
        for building in sorted({name.partition("/")[0] for name in names}):
            data = self._list_of(building)
            if data is None:
                continue
            # As the list says: another one may have been made since the book was read.
            _, version, ids = read_list(data)
            doors = [name for name in names if name.startswith(building + "/") and self._wants(name, version)]
            if doors:
                messages += list_messages(doors, data)
                self._published.update(dict.fromkeys(doors, version))
                self._say(f"List {version} of {building}, {len(ids)} ids, for {', '.join(doors)}.")
        return messages

    def _list_of(self, building: str) -> bytes | None:
        book = Book(self._home, building)
        if not book.version:
            return None
        if book.is_made():
            return book.list()
        with self._home.locked():
            return Book(self._home, building).current(int(self._now_s()))

    def _wants(self, door: str, version: int) -> bool:
        return self._published.get(door) != version

    async def run(self, address: Address, stop: asyncio.Event) -> None:
        """Serves until `stop` is set, and connects again whenever the broker goes away."""
        wait_s = _FIRST_WAIT_S
        while not stop.is_set():
            self._published.clear()
            try:
                async with _client(address) as client:
                    await client.subscribe("lobbylock/+/+/nonce", qos=1)
                    self._say(f"Connected to {address}.")
                    wait_s = _FIRST_WAIT_S
                    await self._serve(client, stop)
            except aiomqtt.MqttError as error:
                self._say(f"No connection to {address}: {error.__cause__ or error}. Next attempt in {wait_s:.0f} s.")
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(stop.wait(), wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _serve(self, client: aiomqtt.Client, stop: asyncio.Event) -> None:
        tasks = [asyncio.create_task(each) for each in (self._listen(client), self._watch(client), stop.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            found = self.answer(str(message.topic), payload) if isinstance(payload, bytes) else None
            if found:
                await client.publish(*found, qos=1, retain=True)

    async def _watch(self, client: aiomqtt.Client) -> None:
        while True:
            await _publish_all(client, self.news())
            await asyncio.sleep(_LOOK_S)
