"""A lock whose events go through the real collector into alerts, a mail server and a webhook that take what is sent."""

import asyncio
import email.policy
import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from lobbylock import house

sys.path += [str(Path(__file__).parent), *(str(Path(__file__).parents[1] / name) for name in ("tools", "history"))]
# Where the modules that host and lock share are.
house.open_path()


# Generous: a busy machine delays it, nothing else does.
_START_S = 60


class MailServer(Controller):
    """On a free port."""

    server: asyncio.Server

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        # As aiosmtpd does it, which gives the server one second to say something.
        with socket.create_connection((self.hostname, self.port), _START_S) as connection:
            connection.recv(1024)


class Mailbox:
    """Takes mail; `refuses` has it answer with an error."""

    def __init__(self):
        self.mails = []
        self.refuses = False
        self.port = 0

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 aiosmtpd's name
        if self.refuses:
            return "451 later"
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    def texts(self):
        """Returns the readable text of each mail."""
        return [mail.get_body(("plain", "html")).get_content() for mail in self.mails]


@pytest.fixture(scope="module")
def mail_server():
    mailbox = Mailbox()
    controller = MailServer(mailbox, hostname="127.0.0.1", port=0, ready_timeout=_START_S)
    controller.start()
    mailbox.port = controller.port
    yield mailbox
    controller.stop()


@pytest.fixture
def mailbox(mail_server):
    mail_server.mails.clear()
    mail_server.refuses = False
    return mail_server


class Hooks:
    """What a webhook was sent: (path, JSON value); `status` is its answer. `is_torn`: a line of that is no header."""

    def __init__(self):
        self.calls = []
        self.status = 200
        self.is_torn = False
        self.port = 0


@pytest.fixture(scope="module")
def hook_server():
    hooks = Hooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"]))
            hooks.calls.append((self.path, json.loads(data)))
            self.send_response(hooks.status)
            if hooks.is_torn:
                self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nthis line is no header\r\nX: y\r\n")
                self._headers_buffer = []
            self.end_headers()

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hooks.port = server.server_address[1]
    yield hooks
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hooks(hook_server):
    hook_server.calls.clear()
    hook_server.status = 200
    hook_server.is_torn = False
    return hook_server


@pytest.fixture
def street(tmp_path, database):
    """A door with alerts, on each of the two databases."""
    from alert_case import Street

    return Street(tmp_path, database)


@pytest.fixture
def lane(tmp_path):
    """A door with alerts on SQLite, for what does not depend on the database."""
    from alert_case import Street

    from lobbylock.database import Database

    with Database.open(tmp_path / "lane.db") as opened:
        yield Street(tmp_path, opened)
