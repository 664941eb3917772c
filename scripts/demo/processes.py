"""The demo's processes: started, listened to, killed, started again. Standard library only."""

import json
import os
import queue
import signal
import subprocess
import threading
import time

PATIENCE = 60.0  # seconds; nothing here takes more than a few


class Failed(Exception):
    """A step of the story did not hold."""


class Process:
    """A program that writes one JSON object a line, and that can be killed and started again."""

    def __init__(self, name, command, env, tell):
        self.name, self.command, self.env, self.tell = name, command, env, tell
        self.pids = []
        self.lines = []  # (time, object), of all its lives
        self.child = None

    @property
    def pid(self):
        return self.child.pid

    def start(self):
        """Starts it, or starts it again; the process id must be a new one."""
        self.child = subprocess.Popen(
            self.command, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        if self.pid in self.pids:
            raise Failed(f"{self.name} has the same process id {self.pid} after a restart")
        self.pids.append(self.pid)
        self.new = queue.Queue()
        threading.Thread(target=self._read, args=(self.child, self.new), daemon=True).start()
        return self

    def _read(self, child, new):
        for line in child.stdout:
            new.put((time.monotonic(), json.loads(line)))
        new.put(None)

    def wait_for(self, what, fits, since=0):
        """The first line from index `since` on that fits, whether it came already or is still to come."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for at, line in self.lines[since:]:
                if fits(line):
                    return at, line
            since = len(self.lines)
            self._next(what, deadline)

    def _next(self, what, deadline):
        try:
            item = self.new.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise Failed(f"{self.name} did not show {what} within {PATIENCE:.0f} s") from None
        if item is None:
            raise Failed(f"{self.name} ended (code {self.child.wait()}) before it showed {what}")
        self.lines.append(item)

    def event(self, name, **fields):
        """Waits for an event of this life or an earlier one, with these fields."""
        wanted = dict(fields, event=name)
        return self.wait_for(f"{name} {fields}", lambda line: wanted.items() <= line.items())

    def drain(self, seconds):
        """Takes in whatever comes for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                item = self.new.get(timeout=left)
            except queue.Empty:
                return
            if item is None:
                return
            self.lines.append(item)

    def order(self, **fields):
        """Writes a line to its standard input; returns when."""
        at = time.monotonic()
        self.child.stdin.write(json.dumps(fields) + "\n")
        self.child.stdin.flush()
        return at

    def kill(self):
        """SIGKILL: it gets no chance to put anything in order."""
        self.child.send_signal(signal.SIGKILL)
        code = self.child.wait()
        if code != -signal.SIGKILL:
            raise Failed(f"{self.name} ended with {code} instead of being killed")
        while (item := self.new.get()) is not None:
            self.lines.append(item)

    def stop(self):
        """SIGTERM: it must end by itself within 5 seconds, with success."""
        self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} was still there 5 s after SIGTERM") from None
        if code != 0:
            raise Failed(f"{self.name} ended with code {code}")

    def abandon(self):
        """Leaves nothing behind, whatever happened."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()


def build(root):
    """Builds both programs and returns their paths, by name."""
    command = ["cargo", "build", "--locked", "--bins", "-p", "agentmesh-server", "-p", "agentmesh-cli",
               "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        raise Failed("the build failed")
    found = {}
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable"):
            found[message["target"]["name"]] = message["executable"]
    return found


def environment(directory):
    """An environment without anybody's settings; `~` is in the demo's directory."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AGENTMESH_")}
    return dict(env, HOME=directory, RUST_LOG="error")
