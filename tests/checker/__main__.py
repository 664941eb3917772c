"""`python3 -m checker FILE...`: checks every vector, prints one line a failure and a total."""

import sys

from .errors import Mismatch
from .topics import cases
from .vector import load


def check_files(paths, report=print) -> tuple:
    """(passed, failed)"""
    passed = failed = 0
    for path in paths:
        try:
            checks = list(cases(load(path)))
        except (OSError, ValueError, AttributeError, Mismatch) as error:
            report(f"FAILED {path}: {error}")
            failed += 1
            continue
        for name, check in checks:
            try:
                check()
                passed += 1
            except Mismatch as mismatch:
                report(f"FAILED {path}: {mismatch}")
                failed += 1
            except Exception as error:  # noqa: BLE001  a broken vector must not hide the others
                report(f"FAILED {path}: {name}: {type(error).__name__}: {error}")
                failed += 1
    return passed, failed


def main(paths) -> int:
    if not paths:
        print("usage: python3 -m checker FILE...", file=sys.stderr)
        return 2
    passed, failed = check_files(paths)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
