"""How long the first page takes in stores of three sizes on both databases: `lobbylock serve` as it is run, with its
collector and watchman beside it, and requests of people who are logged in.

The time is that of the whole answer over a connection that is open already, as browsers keep it: the session is looked
up, the deliveries are read, and the proof of each is checked.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from bench.crowd import fill
from bench.databases import KINDS, addresses
from bench.figure import Figure
from lobbylock.broker import Broker
from lobbylock.database import Database
from lobbylock.home import Home
from lobbylock.page.accounts import MANAGER, RESIDENT, Accounts

_SIZES = (10_000, 100_000, 1_000_000)
_MOST_MS = 100
_REQUESTS = 60
# What every service reads once: templates, keys, counts. Nobody opens the page in its first seconds.
_FIRST_REQUESTS = 3
_START_S = 60
_REQUEST_S = 60
_LOG_CHARACTERS = 2_000
_PASSWORD = "only for the bench"  # noqa: S105 of accounts that last for a minute
_BUILDING = "maple-12"
_PEOPLE = {"manager": "", "resident": "Resident 7"}
_CARD = re.compile(r'<li class="card')


def first_page(sizes: tuple[int, ...] = _SIZES) -> list[Figure]:
    """Returns the medians for each size and database, and how they grow. Raises RuntimeError if a page is not whole."""
    figures = []
    medians: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name, addresses(Path(name)) as address, Broker() as broker:
        for kind in KINDS:
            for size in sizes:
                folder = Path(name) / f"{kind}-{size}"
                for who, times_ms in _time_pages(folder, address(kind), size, broker.url).items():
                    middle = median(times_ms)
                    medians.setdefault((kind, who), []).append(middle)
                    figures.append(Figure(f"first page of a {who}, {size:,} events, {kind}", middle, "ms", _MOST_MS))
    for (kind, who), found in medians.items():
        growth = found[-1] / found[0]
        figures.append(Figure(f"  {sizes[-1] // sizes[0]} times the events, {kind}, {who}", growth, "times the time"))
    return figures


def _time_pages(folder: Path, address: str, size: int, broker_url: str) -> dict[str, list[float]]:
    """Returns by whom, in ms, how long each request took."""
    home = Home(folder / "home")
    home.new_issuer("bench")
    pictures = folder / "pictures"
    with Database.open(address, pictures) as database:
        fill(database, home, size, end_s=int(time.time()))
        accounts = Accounts(database)
        accounts.create("manager", MANAGER, _PASSWORD, int(time.time()))
        accounts.create(
            "resident", RESIDENT, _PASSWORD, int(time.time()), buildings=[_BUILDING], person=_PEOPLE["resident"]
        )
    options = ["--store", address, "--pictures", str(pictures), "--broker", broker_url]
    with _serve(folder, ["--home", str(home.path), *options]) as url:
        return {who: _ask(url, who) for who in _PEOPLE}


@contextmanager
def _serve(folder: Path, options: list[str]) -> Iterator[str]:
    """Runs `lobbylock serve` and yields where its page is. Raises RuntimeError if it does not start."""
    log = folder / "serve.log"
    command = [sys.executable, "-m", "lobbylock", "serve", "--listen", "127.0.0.1:0", *options]
    with log.open("wb") as file, subprocess.Popen(command, stderr=file, stdin=subprocess.DEVNULL) as process:
        try:
            yield _wait_for(lambda: re.search(r"page is at (http://[0-9.:]+[0-9])", log.read_text("utf-8", "replace")))
        except (TimeoutError, RuntimeError) as error:
            raise RuntimeError(f"{error}: {log.read_text('utf-8', 'replace')[-_LOG_CHARACTERS:]}") from None
        finally:
            process.terminate()


def _wait_for(look: Callable[[], re.Match[str] | None]) -> str:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s:
        if found := look():
            return found.group(1)
        time.sleep(0.05)
    raise TimeoutError("the page does not start")


def _ask(url: str, who: str) -> list[float]:
    with httpx.Client(base_url=url, timeout=_REQUEST_S) as browser:
        token = re.findall(r'name="csrf" value="([^"]+)"', browser.get("/login").text)[0]
        browser.post("/login", data={"csrf": token, "name": who, "password": _PASSWORD})
        times_ms = []
        for _ in range(_FIRST_REQUESTS + _REQUESTS):
            start_s = time.perf_counter()
            answer = browser.get("/")
            times_ms.append((time.perf_counter() - start_s) * 1_000)
            # A page that is quick since it is empty would be no measure.
            if answer.status_code != 200 or not _CARD.search(answer.text) or "Proof broken" in answer.text:
                raise RuntimeError(f"the first page of the {who} is not whole: {answer.status_code}")
        return times_ms[_FIRST_REQUESTS:]
