"""`lobbylock demo` as a person starts and ends it."""

import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from rich.console import Console

from lobbylock.demo import browser
from lobbylock.errors import UserError

COMMAND = [sys.executable, "-m", "lobbylock", "demo", "--no-browser", "--port"]
_LIMIT_S = 60


def _children(pid: int) -> list[str]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.split()


def _is_alive(pid: str) -> bool:
    return subprocess.run(["ps", "-p", pid], capture_output=True, check=False).returncode == 0


def test_a_port_that_is_taken_is_said_before_anything_is_started(tmp_path):
    with socket.create_server((browser.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen at 127.0.0.1:{port}: .* `--port 0` takes a free one"):
            browser.show(tmp_path, port, Console(quiet=True), opens_browser=False)
    assert not list(tmp_path.iterdir())


def test_the_way_in_is_printed_and_ctrl_c_ends_everything():
    # A pipe is no terminal, and here is no display: it says where the page is.
    process = subprocess.Popen([*COMMAND, "0"], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(7)]
        link = re.search(r"http://127\.0\.0\.1:(\d+)/street/enter/\S+", "".join(lines))
        assert link, lines
        assert any(re.search(r"manager: +http://127\.0\.0\.1:\d+/street$", line.strip()) for line in lines), lines
        with httpx.Client(follow_redirects=True, timeout=_LIMIT_S) as client:
            answer = client.get(link.group())
        assert answer.status_code == 200
        assert "Tamper with the record" in answer.text
        children = _children(process.pid)
        assert len(children) >= 2
        process.send_signal(signal.SIGINT)
        assert process.wait(_LIMIT_S) == 0
        end_s = time.monotonic() + _LIMIT_S
        while any(map(_is_alive, children)) and time.monotonic() < end_s:
            time.sleep(0.05)
        assert not any(map(_is_alive, children))
    finally:
        process.kill()
        process.wait()
