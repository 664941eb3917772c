"""The ``agentmesh`` command, which the package installs; ``python -m agentmesh`` is the same."""

from __future__ import annotations

import signal
import sys

from . import _native, _server

__all__ = ["main"]


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    # Python's handler only makes a note for Python code, of which none runs from here on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The package with the server has the same command with `dev`.
    server = _server.find()
    run = _native.run_command if server is None else server.run_command
    sys.exit(run(["agentmesh", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
