"""One batch of inputs for one target: made from its corpus, run on both interpreters, compared."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from cbor import CborError

from fuzz import corpus, mutation

ROOT = Path(__file__).resolve().parents[2]
BOARD = Path(__file__).with_name("board")
MICROPYTHON = Path(sys.executable).with_name("micropython")
# Names that are interned on the way; a leak of one object an input would be far more.
MOST_GROWTH_BYTES = 512
_TIMEOUT_S = 600


def make_inputs(target: str, seed: int, batch: int, count: int) -> list[bytes]:
    """Returns the inputs of one batch: right ones first, then wrong ones."""
    found = corpus.corpora()[target]
    random = Random(f"{target}/{seed}/{batch}")
    rights = found.inputs + [found.encode(value) for value in found.values]
    inputs = list(rights)
    while len(inputs) < count:
        data = None
        # Values may be all there is; a change that cannot be encoded leaves nothing.
        if found.values and (not found.inputs or random.random() < 0.4):
            data = _changed(random, found)
        elif random.random() < 0.03:
            data = mutation.noise(random)
        else:
            data = mutation.damage(random, random.choice(rights), rights)
        if data is not None:
            inputs.append(data)
    return inputs[:count]


def _changed(random: Random, found: corpus.Corpus) -> bytes | None:
    value = random.choice(found.values)
    for _ in range(random.choice((1, 1, 2))):
        value = mutation.change(random, value)
    try:
        return found.encode(value)[: mutation.MAX_INPUT_BYTES]
    except (CborError, TypeError, ValueError):
        # Nobody could send it.
        return None


def run_batch(target: str, inputs: list[bytes], lib: Path = ROOT / "lib") -> list[str]:
    """Returns what went wrong with `inputs`, one line each; `lib` is where the lock's lib/ lies."""
    found = corpus.corpora()[target]
    with tempfile.NamedTemporaryFile() as file:
        file.write(corpus.script(*inputs))
        file.flush()
        commands = [_on_micropython(target, file.name, lib)]
        if found.has_peer:
            commands.append(_on_cpython(target, file.name, lib))
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
            for command, env in commands
        ]
        outputs = []
        for process in running:
            output, _ = process.communicate(timeout=_TIMEOUT_S)
            outputs.append(output.split("\n")[:-1])
    return list(_compare(inputs, outputs, [process.returncode for process in running]))


def _compare(inputs: list[bytes], outputs: list[list[str]], codes: list[int]) -> Iterator[str]:
    for lines, code in zip(outputs, codes, strict=True):
        if code or len(lines) != len(inputs) + 1:
            at = len(lines)
            shown = inputs[at].hex() if at < len(inputs) else "the end"
            yield f"ended with {code} at input {at}: {shown}; last words: {lines[-1:]}"
            return
    growth = int(outputs[0][-1].split()[1])
    if growth > MOST_GROWTH_BYTES:
        yield f"the heap grew by {growth} bytes"
    for data, *verdicts in zip(inputs, *outputs, strict=False):
        if any(verdict.startswith("!!") for verdict in verdicts) or len(set(verdicts)) > 1:
            yield f"{data.hex()}: {' / '.join(verdicts)}"


def _on_micropython(target: str, path: str, lib: Path) -> tuple[list[str], dict[str, str]]:
    folders = ":".join([*map(str, (BOARD, lib, ROOT)), ".frozen"])
    heap = f"heapsize={corpus.corpora()[target].heap_kib}k"
    command = [str(MICROPYTHON), "-X", heap, str(BOARD / "verdicts.py"), target, path]
    return command, {**os.environ, "MICROPYPATH": folders}


def _on_cpython(target: str, path: str, lib: Path) -> tuple[list[str], dict[str, str]]:
    # lib/ comes last there: its typing.py is made for the board.
    folders = [str(BOARD), str(ROOT), str(lib)]
    start = f"import sys; sys.path += {folders}; import verdicts; verdicts.main(*sys.argv[1:])"
    return [sys.executable, "-c", start, target, path], dict(os.environ)
