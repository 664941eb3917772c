"""The ``agentmesh`` command, which the package installs; ``python -m agentmesh`` is the same."""

from __future__ import annotations

import signal
import sys

from . import _native

__all__ = ["main"]


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    # Python's handler only makes a note for Python code, of which none runs from here on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_native.run_command(["agentmesh", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
