"""Packages on the host: made, read, refused, and the example of docs/protocol.md section 13."""

import json
import re
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware.version import VERSION
from lobbylock import __version__, command
from lobbylock.boards import load
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.release import ENTRANCE, File, Package, build, pack, read, tree_version, version_number
from lobbylock.signature import Signer

SIGNER = Signer(b"\x05" * 32)
FILES = [File(ENTRANCE, b"b"), File("lib/cbor.mpy", b"cc")]
PAGE = (ROOT / "docs" / "protocol.md").read_text("utf-8").partition("\n## 13. Update\n")[2]


def example(label: str) -> bytes:
    found = re.search(rf"^    {label} +((?:[0-9a-f]+\n +)*[0-9a-f]+)$", PAGE, re.MULTILINE)
    assert found, label
    return bytes.fromhex("".join(found.group(1).split()))


def make(version: str = "0.2.0", files: list[File] = FILES) -> Package:
    return pack(version, "esp32-devkitc", "xtensawin", files, SIGNER)


def test_one_version_everywhere():
    found = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found and found.group(1) == __version__ == VERSION == tree_version(ROOT)


def test_the_example_of_the_page():
    package = make()
    assert example("release key") == SIGNER.public_key
    assert example("manifest") == package.manifest and example("package") == package.dump()


def test_anybody_can_read_a_package():
    data = example("package")
    head = cbor2.loads(data)
    protected, unprotected, manifest, signature = head
    signed = cbor2.dumps(["Signature1", protected, b"", manifest])
    Ed25519PublicKey.from_public_bytes(SIGNER.public_key).verify(signature, signed)
    assert cbor2.loads(protected) == {1: -8} and unprotected == {}
    form, version, board, arch, rows = cbor2.loads(manifest)
    assert (form, version, board, arch) == (1, "0.2.0", "esp32-devkitc", "xtensawin")
    body = data[len(cbor2.dumps(head)) :]
    for path, size, digest in rows:
        assert sha256(body[:size]).digest() == digest and path.endswith(".mpy")
        body = body[size:]
    assert not body


@pytest.mark.parametrize("at", range(0, len(make().dump()), 7))
def test_a_package_with_another_byte_is_not_read_or_not_signed(at):
    data = bytearray(make().dump())
    data[at] ^= 1
    try:
        package = read(bytes(data))
    except UserError:
        return
    assert not package.is_signed_by(SIGNER.public_key)


def test_a_package_that_is_cut_is_not_read():
    data = make().dump()
    for size in range(0, len(data), 5):
        with pytest.raises(UserError):
            read(data[:size])
    with pytest.raises(UserError):
        read(data + b"x")


@pytest.mark.parametrize(
    "path",
    [
        "settings.json",
        "../x.mpy",
        "/lib/x.mpy",
        "lib/a/b.mpy",
        "lib/x.py",
        "firmware/a/b/c/d.mpy",
        "lib/X.mpy",
        "lib/.mpy",
    ],
)
def test_only_modules_of_firmware_and_lib(path):
    with pytest.raises(UserError, match="only"):
        make(files=[*FILES, File(path, b"x")])


@pytest.mark.parametrize("version", ["0.2", "1.2.3.4", "0.2.256", "0.02.0", "v0.2.0", "0.2.0-rc1", ""])
def test_versions(version):
    with pytest.raises(UserError, match="version"):
        make(version)
    assert version_number("1.2.3") == 1 << 16 | 2 << 8 | 3 < version_number("1.2.4") < version_number("1.3.0")


def test_more_than_a_board_takes_is_refused():
    with pytest.raises(UserError, match="list of files"):
        make(files=[FILES[0], *[File(f"lib/module_number_{number}.mpy", b"x") for number in range(80)]])
    with pytest.raises(UserError, match="damaged"):
        make(files=[FILES[0], File("lib/x.mpy", bytes(1 << 16))])
    with pytest.raises(UserError, match="at most"):
        make(files=[FILES[0], *[File(f"lib/x{number}.mpy", bytes(60_000)) for number in range(20)]])


@pytest.mark.slow
def test_the_tree_as_a_package_of_another_board():
    board = load("esp32-c3-devkitm-1")
    package = build(ROOT, board, SIGNER)
    assert (package.version, package.board, package.arch) == (VERSION, board.name, "rv32imc")
    assert package.files[-1].path == ENTRANCE and read(package.dump()) == package


def test_the_commands(tmp_path, capsys):
    home = ["--home", str(tmp_path / "home")]
    path = tmp_path / "x.lbu"
    arguments = ["release", "build", "--board", "esp32-devkitc", "--out", str(path)]
    assert command.main(["issuer", "new", *home]) == 0
    assert command.main([*arguments, *home]) == 2
    assert "no key" in capsys.readouterr().err
    assert command.main(["release", "key", *home]) == 0
    key = (tmp_path / "home" / "release.json").stat()
    assert key.st_mode & 0o777 == 0o600
    assert command.main(["release", "key", *home]) == 2
    assert command.main([*arguments, *home]) == 0
    capsys.readouterr()
    assert command.main(["release", "show", str(path), "--json", *home]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["version"], shown["board"], shown["arch"]) == (VERSION, "esp32-devkitc", "xtensawin")
    assert shown["signed_by"] and shown["files"][-1]["path"] == ENTRANCE
    assert command.main(["release", "show", str(path), "--key", SIGNER.public_key.hex(), *home]) == 1
    assert "NOT signed" in capsys.readouterr().out
    Path(path).write_bytes(b"nothing")
    assert command.main(["release", "show", str(path), *home]) == 2
    assert "no package" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"), [("def run(:\n", "The tree does not compile: .*line 1"), ("import lib.x\n", "give it a name")]
)
def test_a_tree_that_cannot_be_built_gets_a_sentence(tmp_path, text, sentence):
    for name in ("firmware/board", "lib"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("main.py", "boot.py", "firmware/__init__.py", "firmware/board/__init__.py", "lib/x.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "firmware" / "version.py").write_text('VERSION = "1.0.0"\n')
    (tmp_path / "firmware" / "build.py").write_text(text.replace("lib.x", "firmware.version"))
    with pytest.raises(UserError, match=sentence):
        build(tmp_path, load("esp32-devkitc"), SIGNER)
