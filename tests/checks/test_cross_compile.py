"""mpy-cross on files it takes and on files it refuses."""

from checks import cross_compile
from linker.link import Linked


def test_every_board_file_is_compiled_for_every_core(tree):
    root = tree({"boot.py": "x = 1\n", "firmware/core/a.py": "y = 2\n", "lib/b.py": "z = 3\n", "tools/c.py": "def (\n"})
    assert cross_compile.check(root) == []
    for architecture in ("xtensawin", "rv32imc"):
        out = root / "build" / "mpy" / architecture
        made = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.mpy"))
        assert made == ["boot.mpy", "firmware/core/a.mpy", "lib/b.mpy"]
        assert (out / "boot.mpy").read_bytes()[:1] == b"M"


def test_what_is_gone_is_not_left_behind(tree):
    root = tree({"lib/a.py": "x = 1\n", "lib/b.py": "x = 1\n"})
    cross_compile.check(root)
    (root / "lib" / "a.py").unlink()
    cross_compile.check(root)
    assert not list((root / "build").rglob("a.mpy"))


def test_what_only_cpython_takes_is_named(tree):
    root = tree({"lib/a.py": "x = 1\n", "lib/b.py": "x = 1\nmatch x:\n    case 1:\n        pass\n"})
    findings = cross_compile.check(root)
    assert [(found.path, found.line) for found in findings] == [("lib/b.py", 2)] * 2
    assert "(xtensawin)" in findings[0].text
    assert "(rv32imc)" in findings[1].text


def test_what_one_core_cannot_do_is_named(tree):
    """Code generation is checked as well as syntax: this viper operation exists for no core."""
    text = "import micropython\n\n\n@micropython.viper\ndef f(x: int) -> int:\n    return x // 2.5\n"
    findings = cross_compile.check(tree({"lib/v.py": text}))
    assert [found.path for found in findings] == ["lib/v.py"] * 2
    assert findings[0].line == 5 or findings[0].line == 6


def test_what_the_linker_refuses_is_named(tree):
    text = "from firmware.core import event\n\n\ndef run():\n    return [event]\n"
    findings = cross_compile.check(tree({"firmware/build.py": text, "firmware/core/event.py": "LEVEL = [1]\n"}))
    assert [(found.path, found.line) for found in findings] == [("firmware/build.py", 5)]
    assert "used as a value" in findings[0].text
    assert "(linked)" in findings[0].text


def test_what_does_not_compile_once_it_is_linked_is_named(tree, monkeypatch):
    monkeypatch.setattr(cross_compile, "link_tree", lambda root: Linked({"firmware.build": "def (\n"}, {}))
    findings = cross_compile.check(tree({"firmware/build.py": "x = 1\n"}))
    assert [found.path for found in findings] == ["firmware/build.py"] * 2
    assert "(linked, xtensawin)" in findings[0].text
    assert "(linked, rv32imc)" in findings[1].text
