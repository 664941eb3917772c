"""``python -m soak calls|requests|visits|connects|kills NUMBER``: what it found goes to standard output, and is the exit code.

The server runs in a process of its own: the command ``agentmesh`` that the package installs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from . import calls, connects, kills, requests, visits
from .server import server

MOST = 1.0
"""Bytes that a call may leave: a megabyte in a million, which is what pools and the measuring itself move by."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("what", choices=["calls", "requests", "visits", "connects", "kills"])
    parser.add_argument("number", type=int)
    arguments = parser.parse_args()
    number, start = arguments.number, time.monotonic()
    with TemporaryDirectory() as directory, server(Path(directory)) as (urls, process):
        home = Path(directory)
        if arguments.what == "calls":
            growth = asyncio.run(calls.run(number, urls, home))
            most = MOST * calls.ROUND + calls.REMEMBERED / calls.EVERY
            said, good = f"{number} calls: {growth}", growth.slope < most
        elif arguments.what == "requests":
            growth = asyncio.run(requests.run(number, urls, home))
            said, good = f"{number} requests: {growth}", growth.slope < requests.MOST
        elif arguments.what == "visits":
            both = asyncio.run(visits.run(number, urls, home, process))
            said, good = f"{number} visits: {both}", both.is_level
        elif arguments.what == "connects":
            left = asyncio.run(connects.run(number, urls))
            said = (
                f"{number} connects, {left.cancelled} cancelled under way: {left.growth}; "
                f"{left.sockets} sockets and {left.threads} threads left"
            )
            good = left.sockets <= 0 and left.threads <= 0 and left.growth.slope < 1024
        else:
            arrived = asyncio.run(kills.run(number, urls, home))
            said = (
                f"{number} kills, {arrived.queued} messages queued: {arrived.lost} lost, {arrived.twice} twice, "
                f"{arrived.unreported} arrived that had not been reported"
            )
            good = arrived.lost == arrived.twice == 0 and 0 <= arrived.unreported <= number
    print(f"{said} ({time.monotonic() - start:.0f} s)")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
