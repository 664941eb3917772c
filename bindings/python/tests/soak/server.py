"""A server in a process of its own, by the command that the package installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agentmesh.testing import Urls


class Running(NamedTuple):
    """A server, and which process it is."""

    urls: Urls
    process: int


@contextmanager
def server(home: Path) -> Iterator[Running]:
    """Runs ``agentmesh dev`` on a free port, with ``home`` as the user's directory."""
    command = [sys.executable, "-m", "agentmesh", "--json", "dev", "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline())
        yield Running({"registry_url": said["registry"], "relay_url": said["relay"]}, process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=20)
