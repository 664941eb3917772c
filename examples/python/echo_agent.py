"""An agent that answers every request with what it said, until it is told to stop (Ctrl-C, SIGTERM).

    python echo_agent.py HOME [--registry URL] [--relay URL]

HOME keeps its state and its key: started again, it is the same agent, and what came meanwhile is answered.
"""

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from agentmesh import AgentMeshClient, Event, Key, Message, Policy, SQLiteStorage


async def main(home: Path, registry: str | None, relay: str | None) -> None:
    home.mkdir(parents=True, exist_ok=True)
    client = AgentMeshClient(
        SQLiteStorage(home / "agent.db"),
        key=Key.file(home / "agent.key"),
        registry_url=registry,
        relay_url=relay,
        policy=Policy.permissive(),
        capabilities=["echo"],
    )

    @client.on_request
    async def answer(message: Message) -> object:
        return {"echo": message.payload}

    @client.on_message
    def show(message: Message) -> None:
        print(f"{message.sender} says {message.payload}", flush=True)

    @client.on_event
    def tell(event: Event) -> None:
        if event.type in ("online", "offline"):
            logging.info("%s", event.type)

    async with client:
        print(client.amid, flush=True)
        serving = asyncio.create_task(client.serve())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        # Cancelled, it lets the handlers that run come to their end.
        await asyncio.wait([serving])
    print("closed", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--registry")
    parser.add_argument("--relay")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main(arguments.home, arguments.registry, arguments.relay))
