"""Runs every check on the repository, says what is wrong, and fails if anything is."""

import sys
import time
from pathlib import Path

from checks import boards, cross_compile, import_rule, import_time, programs, sizes

ROOT = Path(__file__).resolve().parents[2]

CHECKS = (
    ("format", programs.check_format),
    ("lint", programs.check_lint),
    ("import rule", import_rule.check),
    ("import time", import_time.check),
    ("sizes", sizes.check),
    ("boards", boards.check),
    ("cross-compile", cross_compile.check),
    ("board types", programs.check_board_types),
    ("host types", programs.check_host_types),
)


def main() -> int:
    failed = []
    for name, check in CHECKS:
        start_s = time.monotonic()
        problems = check(ROOT)
        for problem in problems:
            print(problem)
        if problems:
            failed.append(name)
        print(f"{name}: {'FAILED' if problems else 'ok'} ({time.monotonic() - start_s:.1f} s)", flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
