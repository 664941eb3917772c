"""Two agents meet in a room of a signaling server and negotiate a WebRTC connection.

    python webrtc_signaling.py [--server URL]

Without a server, one runs in this process. What a WebRTC library would do, ``Connection`` does on paper; with aiortc it would
hold an ``RTCPeerConnection`` and call ``createOffer``, ``setRemoteDescription`` and so on.
"""

import argparse
import asyncio
import contextlib

from agentmesh.signaling import (
    Action,
    CreateAnswer,
    CreateOffer,
    IdentityChanged,
    Negotiator,
    Rollback,
    Roster,
    Send,
    SetRemote,
    Signal,
    SignalingClient,
)
from agentmesh.testing import Server


class Connection:
    """Stands for the peer connection of a WebRTC library: makes descriptions, and sets them."""

    def __init__(self, name: str, negotiator: Negotiator) -> None:
        self.name = name
        self.negotiator = negotiator
        self.kinds: list[str] = []

    def perform(self, action: Action) -> None:
        """Does what the negotiator asks for; a description that it made goes back."""
        match action:
            case CreateOffer():
                self._describe("offer")
            case CreateAnswer():
                self._describe("answer")
            case SetRemote(kind=kind):
                self.kinds.append(f"remote {kind}")
            case Rollback():
                self.kinds.clear()  # Both offered at once, and this side gives way.
            case _:
                pass  # CreateChannel, AddCandidate, Rebuild, Close

    def _describe(self, kind: str) -> None:
        self.kinds.append(f"local {kind}")
        self.negotiator.created(kind, f"v=0\r\na=ice-ufrag:{self.name}\r\n")

    @property
    def is_negotiated(self) -> bool:
        return len(self.kinds) == 2


async def meet(name: str, url: str, room: str) -> str:
    """Joins a room, and negotiates with whoever is in it, until one connection has both descriptions."""
    peers: dict[str, Connection] = {}
    async with SignalingClient(url, room) as client:
        events = client.events()
        while not any(peer.is_negotiated for peer in peers.values()):
            wakes = [peer.negotiator.next_wake() for peer in peers.values()]
            wake = min((wake for wake in wakes if wake is not None), default=None)
            with contextlib.suppress(asyncio.TimeoutError):
                match await asyncio.wait_for(events.__anext__(), wake):
                    case Roster(joined=joined, left=left, first=first):
                        for peer in joined:
                            if peer not in peers:
                                negotiator = Negotiator(client.id or "", peer, offers=first)
                                peers[peer] = Connection(name, negotiator)
                            peers[peer].negotiator.back()
                        for peer in left:
                            if peer in peers:
                                peers[peer].negotiator.left()
                    case Signal(sender=sender, value=value) if sender in peers:
                        if not peers[sender].negotiator.received(value):
                            print(f"{name} heard {value}")
                    case IdentityChanged():
                        peers.clear()  # Peers know this client by its old id: everything begins anew.
                    case _:
                        pass
            for peer, connection in peers.items():
                connection.negotiator.tick()
                while actions := connection.negotiator.actions():
                    for action in actions:
                        if isinstance(action, Send):
                            await client.send(peer, action.signal)
                        else:
                            connection.perform(action)
        [connection] = [peer for peer in peers.values() if peer.is_negotiated]
        return f"{name}: {', '.join(connection.kinds)}"


async def main(url: str) -> None:
    first = asyncio.create_task(meet("first", url, "agents"))
    second = asyncio.create_task(meet("second", url, "agents"))
    for line in sorted(await asyncio.gather(first, second), key=lambda line: "remote offer" in line):
        print(line.split(": ")[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server")
    arguments = parser.parse_args()
    if arguments.server:
        asyncio.run(main(arguments.server))
    else:
        with Server() as server:
            asyncio.run(main(server.url))
