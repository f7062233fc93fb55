"""Audits the whole store again and again in a process of its own, and names what is not as the doors recorded it.

The process has the lowest priority and ends with its parent. A small store is looked at as soon as anything in it has
changed; a big one takes no more than a twentieth of a core. The list of visits is compared with the record as well.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, text

from lobbylock import tables
from lobbylock.audit import audit_store
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.errors import StoreFailed, UserError
from lobbylock.finding import EDITED, GAP, TWO_HISTORIES, Finding
from lobbylock.home import Home
from lobbylock.house import ROOT
from lobbylock.store import Chain, Store
from lobbylock.visits import compare_index

INDEX = "list of visits altered"
# These came so: nobody altered anything that was stored.
_NO_ALTERATIONS = frozenset((GAP, TWO_HISTORIES))

# A store whose audit costs no more CPU time than that is small.
_SMALL_S = 0.5
_LOOK_S = 0.25
# How many times as long as it works it rests.
_REST = 19
_LONGEST_REST_S = 3_600.0
_SMALL_REST_S = 5.0
_MOST_FINDINGS = 500
_MOST_FILES = 2_000
_NICE = 19
_FIRST_WAIT_S, _LAST_WAIT_S = 0.5, 60.0
_END_S = 5


@dataclass(frozen=True)
class Noticed:
    """What is wrong with a row: `seq` is 0 if it is the whole chain or a chain is missing, `chain` None if that is
    unknown. `is_alteration`: somebody changed the store; otherwise it came so."""

    door: str
    chain: int | None
    seq: int
    what: str
    sentence: str
    is_alteration: bool


class Watch:
    """The watchman of the store in `database`; `home_path` is the issuer's folder.

    `findings` is what the last complete round found, `checked_s` when that ended (Unix time, None before), `failure` a
    sentence while rounds fail.
    """

    def __init__(self, database: Database, home_path: Path) -> None:
        self.findings: list[Noticed] = []
        self.checked_s: float | None = None
        self.failure: str | None = None
        self._orders = {"pictures": str(database.pictures), "home": str(home_path), "store": database.url}
        self._callbacks: list[Callable[[], object]] = []
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        process = self._process
        return process is not None and process.poll() is None

    @property
    def alterations(self) -> list[Noticed]:
        """Those findings that say that somebody altered the store."""
        return [found for found in self.findings if found.is_alteration]

    def on_change(self, callback: Callable[[], object]) -> None:
        """Has `callback` called, in a thread of the watch, whenever the findings are others than before."""
        self._callbacks.append(callback)

    def start(self) -> None:
        """Starts the process; one that ends by itself is started again."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the process and waits for that."""
        self._stopping.set()
        with self._lock:
            if self._process is not None:
                self._process.terminate()
        if self._thread is not None:
            self._thread.join(_END_S)
            self._thread = None

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            rounds = self._follow()
            wait_s = _FIRST_WAIT_S if rounds else min(wait_s * 2, _LAST_WAIT_S)
            self._stopping.wait(wait_s)

    def _follow(self) -> int:
        """Runs one process to its end. Returns how many rounds it told of."""
        with self._lock:
            if self._stopping.is_set():
                return 0
            self._process = _spawn()
        rounds = 0
        with self._process as process:
            if process.stdin is None or process.stdout is None:
                return 0
            try:
                # Not as an argument: an address may hold a password, and everybody sees arguments.
                process.stdin.write(json.dumps(self._orders) + "\n")
                process.stdin.flush()
                for line in process.stdout:
                    self._take(json.loads(line))
                    rounds += 1
            except (OSError, ValueError):
                process.kill()
            finally:
                # Its end, if it is still there.
                with contextlib.suppress(OSError):
                    process.stdin.close()
        if not self._stopping.is_set():
            self.failure = "The watchman's process has ended; it is started again."
        return rounds

    def _take(self, told: dict[str, Any]) -> None:
        self.failure = told.get("failure")
        if self.failure is not None:
            return
        findings = [Noticed(**found) for found in told["findings"]]
        is_other = findings != self.findings
        self.findings = findings
        self.checked_s = told["checked_s"]
        if is_other:
            for callback in self._callbacks:
                callback()


def _spawn(*program: str) -> "subprocess.Popen[str]":
    """Starts the process; `program` takes the place of this module in the interpreter's arguments."""
    path = os.pathsep.join(filter(None, (str(ROOT / "tools"), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, *(program or ("-m", "lobbylock.watchman"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        # Ctrl-C in a terminal is for the parent, who ends this one.
        start_new_session=True,
    )


# In the process.


def main() -> None:
    """Reads its orders from standard input and writes a line a round until that is closed."""
    orders = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICE)
    watchman = _Watchman(orders["store"], Path(orders["pictures"]), Home(Path(orders["home"])))
    try:
        watchman.run()
    except BrokenPipeError:
        os._exit(0)


def _end_with_parent() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(0)


class _Watchman:
    def __init__(self, address: str, pictures: Path, home: Home) -> None:
        self._address = address
        self._pictures = pictures
        self._home = home
        self._database: Database | None = None

    def run(self) -> None:
        while True:
            began_s = time.process_time()
            seen: object = None
            try:
                database = self._open()
                seen = self._state(database)
                told: dict[str, Any] = {"findings": [asdict(found) for found in self._look(database)]}
                told["checked_s"] = time.time()
            except (StoreFailed, UserError, OSError) as error:
                told = {"failure": str(error)}
            except Exception as error:  # noqa: BLE001 an edited store may hold anything, and must not end its watchman
                told = {"findings": [asdict(_strange("", None, error))], "checked_s": time.time()}
            print(json.dumps(told), flush=True)
            self._rest(time.process_time() - began_s, seen)

    def _open(self) -> Database:
        if self._database is None:
            self._database = Database.open(self._address, self._pictures, to_read=True)
        return self._database

    def _look(self, database: Database) -> list[Noticed]:
        doors = {name: self._home.door(name) for name in self._home.door_names()}
        key = self._home.collector().public_key
        with database.connect() as connection:
            store = Store(database, connection)
            sums = audit_store(store, doors, key)
            chains = store.chains()
            numbers = {(chain.door, chain.public_key): chain.id for chain in chains}
            found = []
            for each in sums:
                number = numbers.get((each.door, each.public_key))
                found += [_notice(finding, number) for finding in each.findings]
            for chain in chains:
                found += _compare(connection, chain, doors.get(chain.door))
        return found[:_MOST_FINDINGS]

    # Resting.

    def _rest(self, cost_s: float, seen: object) -> None:
        if cost_s > _SMALL_S:
            time.sleep(min(cost_s * _REST, _LONGEST_REST_S))
            return
        until_s = time.monotonic() + max(cost_s * _REST, _SMALL_REST_S)
        time.sleep(max(cost_s, _LOOK_S))
        while time.monotonic() < until_s:
            with contextlib.suppress(StoreFailed, UserError, OSError):
                if self._state(self._open()) != seen:
                    return
            time.sleep(_LOOK_S)

    def _state(self, database: Database) -> object:
        """Returns what is other when anything in a small store is: cheap to ask for."""
        state: list[object] = [_stamp(self._home.path / "doors"), _files(self._pictures)]
        if database.is_sqlite:
            return [*state, _stamp(Path(database.address)), _stamp(Path(f"{database.address}-wal"))]
        with database.connect() as connection:
            for table in tables.metadata.sorted_tables:
                if table.name in _AUDITED:
                    # Every change to a row gives it another transaction's number, also one by hand.
                    number = text(f"sum({table.name}.xmin::text::bigint)")
                    row = connection.execute(select(func.count(), number).select_from(table)).one()
                    state.append(tuple(row))
        return state


_AUDITED = ("chain", "event", "gap", "picture", "conflict", "deletion", "visit")


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _files(folder: Path) -> object:
    """Returns the dates and sizes of a folder's files, of more than a few only how many there are."""
    stamps = []
    for path, _, names in os.walk(folder):
        stamps += [_stamp(Path(path, name)) for name in names[: _MOST_FILES - len(stamps)]]
    return hash(tuple(sorted(map(repr, stamps)))), len(stamps)


def _compare(connection: Connection, chain: Chain, door: Door | None) -> list[Noticed]:
    name = str(chain.door)
    try:
        seqs = compare_index(connection, chain, door)[:_MOST_FINDINGS]
    except (StoreFailed, UserError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 what is wrong with this list must not hide the other findings
        return [_strange(name, chain.id, error)]
    detail = "the row that finds this visit does not say what the record says"
    return [_notice(Finding(name, seq, INDEX, detail), chain.id) for seq in seqs]


def _strange(door: str, chain: int | None, error: Exception) -> Noticed:
    sentence = f"The store holds what no collector writes ({type(error).__name__})."
    return Noticed(door, chain, 0, EDITED, sentence, True)


def _notice(finding: Finding, chain: int | None) -> Noticed:
    if finding.seq:
        said = f"Row {finding.seq} of {finding.door}: {finding.what}, {finding.detail}."
    else:
        said = f"The record of {finding.door}: {finding.what}, {finding.detail}."
    return Noticed(finding.door, chain, finding.seq, finding.what, said, finding.what not in _NO_ALTERATIONS)


if __name__ == "__main__":
    main()
