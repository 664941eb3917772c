"""The ``agentmesh`` command that the package installs. What it does is tested where it is made; here, that it is there and whole."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import agentmesh
import pytest
from conftest import program

INSTALLED = [program("AGENTMESH_TEST_CLI")]
MODULE = [sys.executable, "-m", "agentmesh"]


def run(command: list[str], home: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    return subprocess.run(
        [*command, *arguments], env=environment, input=text, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", [INSTALLED, MODULE], ids=["installed", "module"])
def test_the_command_says_its_version_and_exit_codes(command: list[str], tmp_path: Path) -> None:
    done = run(command, tmp_path, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"agentmesh {agentmesh.__version__}\n", "")
    done = run(command, tmp_path, "identity", "--help")
    assert done.returncode == 0 and "Usage: agentmesh identity" in done.stdout
    done = run(command, tmp_path, "no-such-command")
    assert (done.returncode, done.stdout) == (2, "") and "no-such-command" in done.stderr
    done = run(command, tmp_path, "--json", "identity", "show")
    assert done.returncode == 3 and "Traceback" not in done.stderr


def test_the_command_reads_what_is_typed(tmp_path: Path) -> None:
    made = run(INSTALLED, tmp_path, "--json", "identity", "new")
    assert made.returncode == 0, made.stderr
    amid = json.loads(made.stdout)["amid"]
    shown = run(INSTALLED, tmp_path, "--json", "identity", "show")
    assert json.loads(shown.stdout)["amid"] == amid


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_stays_ends_when_it_is_asked_to(tmp_path: Path, stop: signal.Signals) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [*INSTALLED, "--json", "dev", "--listen", "127.0.0.1:0"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "listening"
    process.send_signal(stop)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, out, error) == (0, "", "")


def test_what_runs_under_the_command_can_be_watched(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(
        [*INSTALLED, "aiwm", "run", "--health-listen", "127.0.0.1:0", "--", *waiting],
        env=environment, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None and process.stdin is not None
        found = next(filter(None, (re.search(r"http://\S+/health", line) for line in process.stderr)))
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(found.group(), timeout=30) as answer:
            assert answer.status == 200 and json.load(answer)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            direct.open(found.group() + "/other", timeout=30)
        process.stdin.close()
    assert process.returncode == 0
