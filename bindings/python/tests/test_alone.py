"""The package without its extra: everything but the server, and a word about where that is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from agentmesh.testing import Urls
from conftest import program

AGENTS = """
import asyncio, importlib.util, sys
from agentmesh import AgentMeshClient, Key, MemoryStorage, Message, Policy

assert importlib.util.find_spec("agentmesh_server") is None

async def main():
    urls = {"registry_url": sys.argv[1], "relay_url": sys.argv[2]}
    alice, bob = (
        AgentMeshClient(MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **urls) for _ in range(2)
    )

    @bob.on_request
    async def answer(message: Message) -> object:
        return {"echo": message.payload}

    async with alice, bob:
        serving = asyncio.create_task(bob.serve())
        print((await alice.request(bob.amid, "hello")).payload)
        await bob.close()
        await serving

asyncio.run(main())
"""

SERVER = """
from agentmesh.testing import STORAGE_TESTS, Server

try:
    Server()
except ImportError as error:
    assert error.name == "agentmesh_server"
    print(error)
"""


def alone(name: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program of an environment where nothing but the package without its extra is installed."""
    environment = {**os.environ, "HOME": str(home)}
    path = str(Path(program("AGENTMESH_TEST_ALONE")) / name)
    return subprocess.run([path, *arguments], env=environment, capture_output=True, text=True, timeout=60)


def test_agents_talk_over_a_server_in_a_process_of_its_own(separate_server: Urls, tmp_path: Path) -> None:
    done = alone(
        "python", "-c", AGENTS, separate_server["registry_url"], separate_server["relay_url"], home=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "{'echo': 'hello'}\n"), done.stderr


def test_a_server_in_the_process_says_how_to_install_it(tmp_path: Path) -> None:
    done = alone("python", "-c", SERVER, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'the reference server is not installed: pip install "agentmesh-e2ee[server]"\n'


def test_the_command_is_there_and_says_how_to_install_its_server(tmp_path: Path) -> None:
    made = alone("agentmesh", "--json", "identity", "new", home=tmp_path)
    assert made.returncode == 0, made.stderr
    done = alone("agentmesh", "dev", home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert 'pip install "agentmesh-e2ee[server]"' in done.stderr and "Traceback" not in done.stderr
    done = alone("agentmesh", "--json", "dev", home=tmp_path)
    assert json.loads(done.stdout)["error"]["code"] == "CLI_NO_SERVER"
