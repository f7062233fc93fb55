"""`lobbylock release`: packages of new versions, and the key that signs them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lobbylock.boards import load
from lobbylock.console.client import Client
from lobbylock.console.line import SerialPort
from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.files import read_json
from lobbylock.handover import key_id
from lobbylock.home import Home
from lobbylock.house import ROOT
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.owner import find_owner, load_key, new_key
from lobbylock.release import SUFFIX, Package, build, read
from lobbylock.signature import Signer

app = typer.Typer(help="Packages of new versions, and the key that signs them.", no_args_is_help=True)

PackageArgument = Annotated[Path, typer.Argument(metavar="PACKAGE", help="A file made by `lobbylock release build`.")]
_MAX_FILE_BYTES = 1 << 21


@app.command("key")
def key(
    path: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where it goes; else into the home.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a key that signs releases. Without one, the owner's key signs, which every board of his takes."""
    signer = new_key(path.expanduser() if path else release_path(open_home(home)))
    typer.echo(f"{signer.public_key.hex()}  id {key_id(signer.public_key)}")
    typer.echo("Boards take what it signs once they are told: `lobbylock release use`.")


@app.command("build")
def build_package(
    board: Annotated[str, typer.Option("--board", help="For which board; `lobbylock boards` lists them.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where the package goes.")] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="What signs; else the home's key.")] = None,
    tree: Annotated[Path, typer.Option("--tree", metavar="DIR", help="The sources.")] = ROOT,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Compile the sources for a board, and sign them as the version that firmware/version.py says."""
    signer = load_key(key.expanduser()) if key else _find_signer(open_home(home))
    package = build(tree.expanduser().resolve(), load(board), signer)
    path = out.expanduser() if out else Path(f"lobbylock-{package.board}-{package.version}{SUFFIX}")
    path.write_bytes(package.dump())
    typer.echo(f"{path}: {describe(package)}, signed by {key_id(signer.public_key)}.")


@app.command("show")
def show(
    path: PackageArgument,
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="Who has to have signed it.")] = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show what is in a package, and whether it is signed by the home's key, or by the one that is named."""
    package = read_package(path)
    keys = known_keys(open_home(home), key)
    signed_by = next((key_id(each) for each in keys if package.is_signed_by(each)), None)
    if is_json:
        files = [{"path": file.path, "bytes": len(file.data)} for file in package.files]
        value = {"version": package.version, "board": package.board, "arch": package.arch, "signed_by": signed_by}
        typer.echo(json.dumps({**value, "files": files}))
    else:
        typer.echo(f"{path}: {describe(package)}.")
        for file in package.files:
            typer.echo(f"{len(file.data):>7,}  {file.path}")
        typer.echo(_signed_sentence(signed_by, bool(keys)))
    if keys and not signed_by:
        raise typer.Exit(1)


@app.command("use")
def use(
    port: Annotated[str, typer.Option("--port", help="The board's serial port or pyserial URL.")],
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="Public key, or its file; else the home's.")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Have a board take the releases of another key from now on."""
    folder = open_home(home)
    owner = find_owner(folder)
    keys = known_keys(folder, key)
    if owner is None or not keys:
        raise UserError(f"There is no owner's key at {folder.path}; only the owner says whose releases a board takes.")
    with Client(SerialPort(port), lambda text: typer.echo(text, err=True)) as client:
        client.sign_in(owner, parse_public_key(client.hello().text("public_key")))
        taken = client.ask("release", key=keys[0].hex()).text("key")
        client.sign_out()
    typer.echo(f"The board takes what {key_id(parse_public_key(taken))} signs.")


def _signed_sentence(signed_by: str | None, has_keys: bool) -> str:
    if signed_by:
        return f"Signed by {signed_by}."
    return "It is NOT signed by a known key." if has_keys else "Whose signature it has was not checked: add --key."


def describe(package: Package) -> str:
    """Returns what a package is, in a few words."""
    size = sum(len(file.data) for file in package.files)
    return f"version {package.version} for {package.board}, {len(package.files)} files, {size:,} bytes"


def release_path(home: Home) -> Path:
    """Returns where the key lies that signs releases; it is secret."""
    return home.path / "release.json"


def _find_signer(home: Home) -> Signer:
    path = release_path(home)
    signer = load_key(path) if path.exists() else find_owner(home)
    if signer is None:
        raise UserError(f"There is no key at {home.path}: `lobbylock release key` makes one, or name one with --key.")
    return signer


def known_keys(home: Home, named: str | None) -> list[bytes]:
    """Returns the public keys that packages may be signed by: the one `named` (hex or file), else those of the home."""
    if named is not None:
        path = Path(named).expanduser()
        if len(named) != 64 and path.is_file():
            named = str(read_json(path, "release key").get("public_key"))
        return [parse_public_key(named)]
    path = release_path(home)
    found = [load_key(path)] if path.exists() else []
    owner = find_owner(home)
    return [signer.public_key for signer in [*found, *([owner] if owner else [])]]


def read_package(path: Path) -> Package:
    """Returns the package in a file. Raises UserError."""
    with path.expanduser().open("rb") as file:
        return read(file.read(_MAX_FILE_BYTES))
