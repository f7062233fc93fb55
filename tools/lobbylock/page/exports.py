"""A month of a door or a building to take away: made in the background, and fetched once it is there. For managers."""

import os
import secrets
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lobbylock.bundle import Order, Progress, write_bundle, write_table
from lobbylock.door import Door
from lobbylock.errors import StoreFailed, UserError
from lobbylock.localtime import month_bounds, month_of
from lobbylock.page import actions
from lobbylock.page.access import Viewer, for_managers, form_of
from lobbylock.page.context import Context, context_of
from lobbylock.page.render import render

TABLE = "csv"
SIGNED = "signed"
_MONTHS = 36
_RUNNING = 2
_KEPT = 12
_KEPT_S = 3_600
# Most are made by then, and their page shows the file at once.
_AT_ONCE_S = 0.8
_CHUNK_BYTES = 1 << 20


@dataclass
class Job:
    """One export. `total` is 0 where nobody knows how much there is; `error` is a sentence once it has failed."""

    id: str
    account: int
    title: str
    path: Path
    file_name: str
    media_type: str
    begun_s: float
    done: int = 0
    total: int = 0
    sha256: str = ""
    error: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def is_ready(self) -> bool:
        return self.ended.is_set() and not self.error

    def progress(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def fail(self, sentence: str) -> None:
        self.error = sentence
        self.path.unlink(missing_ok=True)
        self.ended.set()


class Jobs:
    """The exports that are being made and those that wait to be fetched: a few, in a private folder, for an hour."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def begin(self, account: int, title: str, file_name: str, media_type: str, now_s: float) -> Job:
        """Returns a new job. Raises UserError if too many are under way."""
        with self._lock:
            self._forget(now_s)
            running = [job for job in self._jobs.values() if not job.ended.is_set()]
            if len(running) >= _RUNNING:
                raise UserError("Other exports are being made: try again when they are done.")
            if self._folder is None:
                # Of mode 0700, and gone with the process.
                self._folder = tempfile.TemporaryDirectory(prefix="lobbylock-exports-")
            id = secrets.token_urlsafe(16)
            job = Job(id, account, title, Path(self._folder.name) / id, file_name, media_type, now_s)
            self._jobs[id] = job
            return job

    def find(self, id: str, account: int) -> Job | None:
        """Returns an account's own job."""
        job = self._jobs.get(id)
        return job if job is not None and job.account == account else None

    def _forget(self, now_s: float) -> None:
        ended = [job for job in self._jobs.values() if job.ended.is_set()]
        for number, job in enumerate(ended):
            if now_s - job.begun_s > _KEPT_S or number < len(ended) - _KEPT:
                del self._jobs[job.id]
                job.path.unlink(missing_ok=True)

    def run(self, job: Job, make: Callable[[Path, Progress], None]) -> None:
        """Makes the job's file; to be called in a thread of its own."""
        try:
            make(job.path, job.progress)
            os.chmod(job.path, 0o600)
            digest = sha256()
            with open(job.path, "rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
            job.sha256 = digest.hexdigest()
        except (UserError, StoreFailed) as error:
            job.error = str(error)
        except OSError as error:
            job.error = f"The file cannot be written: {error.strerror}."
        finally:
            if not job.sha256:
                job.error = job.error or "It failed; what locks recorded is not touched by it."
                job.path.unlink(missing_ok=True)
            job.ended.set()


def jobs_of(request: Request) -> Jobs:
    """Returns the exports of the application that serves a request."""
    state = request.app.state
    if not hasattr(state, "exports"):
        state.exports = Jobs()
    return state.exports


@for_managers
def ask_for_export(request: Request, viewer: Viewer) -> Response:
    """Shows the form."""
    return _form(request, viewer, {"place": request.query_params.get("door", "")})


def _form(request: Request, viewer: Viewer, values: dict[str, str], error: str | None = None) -> Response:
    context = context_of(request)
    doors = viewer.doors(context)
    places = [(name, f"all of {name}") for name in sorted({door.building for door in doors.values()})]
    places += [(name, name) for name in doors]
    return render(
        request,
        "exports.html",
        400 if error else 200,
        places=places,
        months=[(month, month) for month in _months(doors, context.now_s())],
        values=values,
        error=error,
    )


def _months(doors: dict[str, Door], now_s: float) -> list[str]:
    """Returns the latest months, this one first, in the zone of the first door."""
    zone = next((door.options.zone for door in doors.values()), "UTC0")
    found = [month_of(zone, int(now_s))]
    while len(found) < _MONTHS:
        found.append(month_of(zone, month_bounds(zone, found[-1])[0] - 1))
    return found


@for_managers
def begin_export(request: Request, viewer: Viewer) -> Response:
    """Begins an export, and shows how far it is."""
    context, form = context_of(request), form_of(request)
    values = {name: value for name, value in form.items() if isinstance(value, str)}
    kind = values.get("kind", "")
    try:
        order = _order(context, viewer, values.get("place", ""), values.get("month", ""))
        if kind not in (TABLE, SIGNED):
            raise UserError("Choose what to export.")
        suffix, media_type = (".csv", "text/csv; charset=utf-8") if kind == TABLE else (".zip", "application/zip")
        title = f"{order.name}, {order.month}, {'table' if kind == TABLE else 'signed record'}"
        jobs = jobs_of(request)
        job = jobs.begin(viewer.account.id, title, f"{order.file_name}{suffix}", media_type, context.now_s())
    except UserError as error:
        return _form(request, viewer, values, str(error))
    try:
        with context.database.begin() as connection:
            actions.note(connection, context.now_s(), viewer.account.name, actions.EXPORTED, title)
    except StoreFailed as error:
        job.fail(str(error))
        raise
    make = _table(context, order) if kind == TABLE else _bundle(context, order)
    threading.Thread(target=jobs.run, args=(job, make), name="export", daemon=True).start()
    job.ended.wait(_AT_ONCE_S)
    return RedirectResponse(f"/exports/{job.id}", 303)


def _order(context: Context, viewer: Viewer, place: str, month: str) -> Order:
    doors = viewer.doors(context)
    chosen = tuple(door for name, door in doors.items() if place in (name, door.building))
    if not chosen:
        raise UserError("Choose a door or a building.")
    # Raises UserError for what is no month.
    month_bounds(chosen[0].options.zone, month)
    return Order(place, chosen, month, viewer.reader)


def _table(context: Context, order: Order) -> Callable[[Path, Progress], None]:
    def make(path: Path, progress: Progress) -> None:
        # With a byte order mark, or spreadsheets would guess an encoding.
        with open(path, "w", encoding="utf-8-sig", newline="") as file:
            write_table(file, context.history, order, progress)

    return make


def _bundle(context: Context, order: Order) -> Callable[[Path, Progress], None]:
    findings = list(context.watch.findings) if context.watch is not None else []

    def make(path: Path, progress: Progress) -> None:
        signer, now_s = context.home.collector(), int(context.now_s())
        write_bundle(path, context.database, context.history, order, signer, now_s, progress, findings)

    return make


@for_managers
def show_export(request: Request, viewer: Viewer) -> Response:
    """Shows how far an export is, or that it is there."""
    job = _find(request, viewer)
    size = job.path.stat().st_size if job.is_ready else 0
    return render(request, "export.html", job=job, size=size)


@for_managers
def fetch_export(request: Request, viewer: Viewer) -> Response:
    """Serves the file."""
    job = _find(request, viewer)
    if not job.is_ready:
        raise HTTPException(404)
    return FileResponse(job.path, media_type=job.media_type, filename=job.file_name)


def _find(request: Request, viewer: Viewer) -> Job:
    job = jobs_of(request).find(request.path_params["id"], viewer.account.id)
    if job is None:
        raise HTTPException(404)
    return job


routes: list[BaseRoute] = [
    Route("/exports", ask_for_export, methods=["GET"]),
    Route("/exports", begin_export, methods=["POST"]),
    Route("/exports/{id}", show_export, methods=["GET"]),
    Route("/exports/{id}/file", fetch_export, methods=["GET"]),
]
