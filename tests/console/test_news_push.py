"""`lobbylock news push`: list and time over the serial line, to the real firmware."""

import json

from lockport import LockPort

from firmware.core import event
from lobbylock import command, news_command
from lobbylock.console.client import Client
from lobbylock.home import Home
from lobbylock.owner import make_owner
from lobbylock.revocation import Book, Entry
from lobbylock.settings import Options


def test_list_and_time_are_pushed(make_room, tmp_path, monkeypatch, capsys):
    home = Home(tmp_path / "home")
    home.new_issuer("maple-office")
    home.new_door("maple-12/front", Options())
    owner = make_owner(home)
    with home.locked():
        book = Book(home, "maple-12")
        book.add([Entry("01" * 8, 1 << 31, "Anna", 0)])
        book.make()
    keys = home.issuer().keys
    issuers = [{"kid": key.kid.hex(), "name": key.name, "key": key.public_key.hex()} for key in keys]
    room = make_room(issuers=issuers, ntp="")
    room.power_on(knows_time=False)
    port = LockPort(room.board)
    with Client(port) as client:
        client.ask("claim", owner=owner.public_key.hex())
    monkeypatch.setattr(news_command, "choose_port", lambda name, dialog: port)
    monkeypatch.setenv("LOBBYLOCK_HOME", str(home.path))

    assert command.main(["news", "push", "maple-12/front", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"list": 1, "time": True}
    assert (room.board.vfs / "revoked").read_bytes() == book.list()
    assert room.last(event.LIST_TAKEN).details[event.NAME] == "serial"
    assert room.last(event.CLOCK_SET).details[event.NAME] == "token"
    # Once more there is nothing to bring.
    assert command.main(["news", "push", "maple-12/front"]) == 0
    assert "has that list already" in capsys.readouterr().out
    assert room.count(event.LIST_TAKEN) == room.count(event.CLOCK_SET) == 1
    assert command.main(["news", "push", "maple-12/back"]) == 2
