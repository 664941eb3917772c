"""An agent under an AIWM controller: its settings come from there, and what it answers goes over the mesh.

    python aiwm_agent.py HOME [--env-file FILE] [--registry URL] [--relay URL]

Where the controller is, ``AIWM_BASE_URL``, ``AIWM_AGENT_ID`` and ``AIWM_AGENT_SECRET`` say, in the environment or in the
file (``AIWM_ENABLED=true`` switches it on); without them everything is local. Ctrl-C or SIGTERM ends it, and so does
the controller when it deletes the agent.
"""

import argparse
import asyncio
import signal
from pathlib import Path

from agentmesh import AgentMeshClient, Key, Message, Policy, SQLiteStorage
from agentmesh.aiwm import AgentDeleted, AgentStatus, AiwmSupervisor, ConfigUpdated


async def main(home: Path, env_file: Path, registry: str | None, relay: str | None) -> None:
    home.mkdir(parents=True, exist_ok=True)
    client = AgentMeshClient(
        SQLiteStorage(home / "agent.db"),
        key=Key.file(home / "agent.key"),
        registry_url=registry,
        relay_url=relay,
        policy=Policy.permissive(),
    )
    supervisor = AiwmSupervisor(env_file=env_file)

    @client.on_request
    async def answer(message: Message) -> object:
        supervisor.status = AgentStatus.BUSY
        try:
            # A model would be asked here, as the controller says: its instruction, its tools, so many turns.
            config = supervisor.config
            return {"agent": config.name, "model": config.model, "echo": message.payload}
        finally:
            supervisor.status = AgentStatus.IDLE

    async def watch() -> None:
        async for event in supervisor.events():
            match event:
                case ConfigUpdated(config=config):
                    print(f"new configuration: {config.model}", flush=True)
                case AgentDeleted():
                    print("deleted", flush=True)
                    return
                case _:
                    pass

    async with supervisor, client:
        print(client.amid, supervisor.state.value, flush=True)
        work = [asyncio.create_task(client.serve()), asyncio.create_task(watch())]
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work[0].cancel)
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            task.cancel()
        await asyncio.wait(work)
    print("closed", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--env-file", type=Path, default=Path(".env"))
    parser.add_argument("--registry")
    parser.add_argument("--relay")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.home, arguments.env_file, arguments.registry, arguments.relay))
