#!/usr/bin/env python3
"""Runs the tests beside what is not written in Swift: ``peers.py PROJECT JAVA LIBRARIES -- COMMAND…``.

PROJECT is a directory of npm with `@agentmesh/sdk` in it, JAVA a class path with what `bindings/kotlin` was compiled to, LIBRARIES where its
native library is. There is a server, an agent in Node that talks with those in Swift, and an agent that began in Kotlin: the command
goes on with it, then the command line in Rust. The same session, the same records.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def same(found: object, wanted: object, what: str) -> None:
    """Ends with what is not as it has to be."""
    if found != wanted:
        sys.exit(f"peers.py: {what}: {found}, not {wanted}")


class Lines:
    """A program that says lines of JSON."""

    def __init__(self, *command: str, cwd: Path | None = None, log: Path) -> None:
        with log.open("wb") as errors:
            self.process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.log = log

    def next(self) -> dict[str, Any]:
        """What it says next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"peers.py: {self.process.args} ended: {self.log.read_text()}")
        said: dict[str, Any] = json.loads(line)
        return said

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def run(*command: str) -> dict[str, Any]:
    """The last line of JSON that a command says, which has to end well."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    same(done.returncode, 0, f"the end of {command}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def records(home: Path) -> list[tuple[bytes, int, bytes]]:
    """The records of sessions as they are on the disk: key, version, and the sealed bytes."""
    store = sqlite3.connect(f"file:{home / 'agent.db'}?mode=ro", uri=True)
    try:
        return store.execute("SELECT key, version, sealed FROM record WHERE kind = 4 ORDER BY key").fetchall()
    finally:
        store.close()


def main() -> None:
    """Everything in its order."""
    project, java, libraries, dashes, *command = sys.argv[1:]
    same(dashes, "--", "what comes before the command")
    started: list[Lines] = []
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        try:
            status = beside(place, Path(project), java, libraries, command, started)
        finally:
            for one in reversed(started):
                one.stop()
    sys.exit(status)


def beside(place: Path, project: Path, java: str, libraries: str, command: list[str], started: list[Lines]) -> int:
    """Starts what the command is to find, runs it, and looks at what it left."""
    server = Lines(os.environ["AGENTMESH_TEST_SERVER"], "serve", "--listen", "127.0.0.1:0", "--data-dir", str(place / "server"), log=place / "server.log")
    started.append(server)
    address = server.next()["addr"]
    urls = [f"http://{address}/v1", f"ws://{address}/v1/connect"]
    shutil.copy(HERE / "peer.mjs", project / "peer.mjs")
    node = Lines(str(project / "node"), "peer.mjs", *urls, cwd=project, log=place / "node.log")
    started.append(node)
    peer = node.next()["amid"]

    home = place / "home"
    home.mkdir()
    kotlin = run("java", f"-Djna.library.path={libraries}", "-cp", java, "dev.agentmesh.HandoverKt", str(home), *urls, peer)
    heard = [node.next()]
    same(len(kotlin["sessions"]), 1, "sessions of the agent in Kotlin")
    of_kotlin = records(home)
    same(len(of_kotlin), 1, "records of it")

    variables = {
        "AGENTMESH_TEST_NODE": f"http://{address} {peer}",
        "AGENTMESH_TEST_HANDOVER": json.dumps({"home": str(home), "peer": peer, **kotlin}),
    }
    status = subprocess.run(command, env={**os.environ, **variables}, check=False).returncode
    if status != 0:
        return status

    heard.append(node.next())
    of_swift = records(home)
    if of_swift == of_kotlin:
        sys.exit("peers.py: Swift wrote nothing")
    rust = [os.environ["AGENTMESH_TEST_CLI"], "--home", str(home), "--registry", urls[0], "--relay", urls[1], "--json"]
    listed = run(*rust, "sessions")
    if kotlin["sessions"][0] not in json.dumps(listed):
        sys.exit(f"peers.py: Rust has another session: {listed}")
    same(records(home), of_swift, "records that Rust only looked at")
    run(*rust, "send", peer, '{"handover": "Rust"}', "--wait", "handled")
    heard.append(node.next())
    first = heard[0]["seq"]
    told = [(one["handover"], one["from"], one["seq"] - first) for one in heard]
    same(told, [("Kotlin", kotlin["amid"], 0), ("Swift", kotlin["amid"], 1), ("Rust", kotlin["amid"], 2)], "what the peer heard")
    same([one["sessions"] for one in heard], [kotlin["sessions"]] * 3, "one session all the way")
    print("an agent went from Kotlin to Swift to Rust: one session, the same records", file=sys.stderr)
    return 0


main()
