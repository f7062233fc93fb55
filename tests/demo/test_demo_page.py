"""`lobbylock demo` as a person starts and ends it."""

import re
import signal
import subprocess
import sys
import time

import httpx

COMMAND = [sys.executable, "-m", "lobbylock", "demo", "--no-browser", "--port"]
_LIMIT_S = 60


def _children(pid: int) -> list[str]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.split()


def _is_alive(pid: str) -> bool:
    return subprocess.run(["ps", "-p", pid], capture_output=True, check=False).returncode == 0


def test_the_way_in_is_printed_and_ctrl_c_ends_everything():
    # A pipe is no terminal, and here is no display: it says where the page is.
    process = subprocess.Popen([*COMMAND, "0"], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        link = re.search(r"http://127\.0\.0\.1:(\d+)/street/enter/\S+", "".join(lines))
        assert link, lines
        with httpx.Client(follow_redirects=True) as client:
            answer = client.get(link.group())
        assert answer.status_code == 200
        assert "Tamper with the record" in answer.text
        taken = subprocess.run([*COMMAND, link.group(1)], capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        assert taken.returncode == 2
        assert f"cannot listen at 127.0.0.1:{link.group(1)}" in taken.stderr
        assert "`--port 0` takes a free one" in taken.stderr
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
