"""The examples of the repository, and the one of the README."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from agentmesh import AgentMeshClient, Key, MemoryStorage, Message, Policy, sync
from agentmesh.testing import STORAGE_TESTS, Server, check_storage
from conftest import administer


def test_the_quickstart_prints_the_answer_and_is_short(source: Path) -> None:
    path = source / "examples" / "python" / "quickstart.py"
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{'echo': {'hello': 'wörld'}}\n", "")
    code = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(code) <= 28


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("llm_agent.py", "You said: hello world \nYou said: all at once \n"),
        ("custom_storage.py", "True\n"),
        ("webrtc_signaling.py", "local offer, remote answer\nremote offer, local answer\n"),
    ],
)
def test_an_example_prints_what_it_should(source: Path, name: str, output: str) -> None:
    path = source / "examples" / "python" / name
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


# Not those of many or large records: it writes everything at every commit.
SMALL = [test for test in STORAGE_TESTS if not test.startswith(("keeps_", "commits_"))]


@pytest.mark.parametrize("test", SMALL)
def test_the_store_of_the_example_passes_the_suite(source: Path, tmp_path: Path, test: str) -> None:
    spec = importlib.util.spec_from_file_location("custom_storage", source / "examples" / "python" / "custom_storage.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asyncio.run(check_storage(lambda: module.JSONStorage(tmp_path / "agent.json"), test))


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("README.md", "True {'hello': 'wörld'}\n"),
        ("bindings/python/README.md", "{'echo': {'hello': 'wörld'}}\n"),
    ],
)
def test_the_program_of_a_readme_runs(source: Path, tmp_path: Path, name: str, output: str) -> None:
    readme = (source / name).read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(programs) == 1
    program = tmp_path / "readme.py"
    program.write_text(programs[0], encoding="utf-8")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, output), done.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_echo_agent_answers_and_shuts_down_gracefully(
    source: Path, tmp_path: Path, agentmesh_server: Server, stop: signal.Signals
) -> None:
    command = [
        sys.executable, str(source / "examples" / "python" / "echo_agent.py"), str(tmp_path / "home"),
        "--registry", agentmesh_server.registry_url, "--relay", agentmesh_server.relay_url,
    ]  # fmt: skip
    amids = set()
    for run in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        amid = process.stdout.readline().strip()
        amids.add(amid)
        with sync.AgentMeshClient(
            MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **agentmesh_server.urls
        ) as client:
            assert client.request(amid, {"run": run}).payload == {"echo": {"run": run}}
        process.send_signal(stop)
        out, error = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "closed\n"), error
    assert len(amids) == 1, "the same agent after a restart"


async def test_the_web_application_is_an_agent(source: Path, tmp_path: Path, agentmesh_server: Server) -> None:
    urls = agentmesh_server.urls
    environment = {
        **os.environ,
        "AGENT_HOME": str(tmp_path / "home"),
        "AGENTMESH_REGISTRY_URL": urls["registry_url"],
        "AGENTMESH_RELAY_URL": urls["relay_url"],
    }
    command = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=source / "examples" / "python", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said, found = "", None
    while found is None:
        line = (await process.stderr.readline()).decode()
        assert line, said
        said += line
        found = re.search(r"running on (http://127\.0\.0\.1:\d+)", line)
    url = found.group(1)

    async def http(path: str, body: object = None) -> tuple[int, str]:
        def call() -> tuple[int, str]:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(url + path, data, {"content-type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return response.status, response.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        return await asyncio.to_thread(call)

    peer = AgentMeshClient(MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **urls)

    @peer.on_request
    async def answer(message: Message) -> Any:
        for word in message.payload["prompt"].split():
            yield word + " "

    async with peer:
        serving = asyncio.create_task(peer.serve())
        amid = json.loads((await http("/agent"))[1])["amid"]
        assert await http(f"/ask/{peer.amid}", {"prompt": "a b"}) == (200, '"a b "')
        assert await http(f"/tokens/{peer.amid}", {"prompt": "c d"}) == (200, "c d ")
        assert (await http("/ask/nobody", {}))[0] == 404
        response = await peer.request(amid, {"n": 1})
        assert response.payload == {"from": "the web application", "asked": {"n": 1}}
        assert json.loads((await http("/agent"))[1])["answered"] == 1
        serving.cancel()
        await asyncio.wait([serving])
    process.send_signal(signal.SIGINT)
    rest = (await process.stderr.read()).decode()
    assert await process.wait() == 0, rest
    assert "Application shutdown complete" in rest and "Traceback" not in rest


def test_the_managed_agent_answers_as_its_controller_says(source: Path, tmp_path: Path) -> None:
    with Server(aiwm=True) as server:
        body = {"name": "support", "description": "d", "status": "active", "settings": {"claudeModel": "m"}}
        id = administer(server, "POST", "/agents", body)["_id"]
        made = administer(server, "POST", f"/agents/{id}/credentials/regenerate", {})
        (tmp_path / ".env").write_text(made["envConfig"], encoding="utf-8")
        command = [
            sys.executable, str(source / "examples" / "python" / "aiwm_agent.py"), str(tmp_path / "home"),
            "--env-file", str(tmp_path / ".env"), "--registry", server.registry_url, "--relay", server.relay_url,
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        amid, state = process.stdout.readline().split()
        assert state == "online"
        with sync.AgentMeshClient(
            MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **server.urls
        ) as client:
            answer = client.request(amid, "hello").payload
            assert answer == {"agent": "support", "model": "m", "echo": "hello"}
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "closed\n"), error


def guide(source: Path, name: str) -> dict[str, object]:
    """The Python program of a guide."""
    text = (source / "docs" / "guides" / name).read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    defined: dict[str, object] = {}
    exec(compile(program, name, "exec"), defined)
    return defined


async def test_the_programs_of_the_guides_run(source: Path) -> None:
    main: Any = guide(source, "agent-websocket.md")["main"]
    assert await main() == "5"
    debug: Any = guide(source, "user-data.md")["debug"]
    with Server(user_data=True) as server:
        assert await debug(server.url, "any-key-will-do") == "Help me debug this issue"
