"""A web application that is an agent: what comes over HTTP goes end-to-end encrypted to another agent, and what the mesh asks
is answered by the application.

    pip install agentmesh-e2ee fastapi uvicorn
    agentmesh dev &
    uvicorn fastapi_app:app

The agent lives as long as the application: opened before the first request, closed after the last one. `AGENT_HOME` keeps its
state (default: in memory), `AGENTMESH_REGISTRY_URL` and `AGENTMESH_RELAY_URL` say where the servers are.

    curl localhost:8000/agent
    curl localhost:8000/ask/AMID -H 'content-type: application/json' -d '{"prompt": "hello"}'
    curl -N localhost:8000/tokens/AMID -H 'content-type: application/json' -d '{"prompt": "hello"}'
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

from agentmesh import (
    AgentMeshClient,
    DeadlineError,
    InvalidInputError,
    Key,
    MemoryStorage,
    Message,
    NotFoundError,
    Policy,
    RemoteError,
    SQLiteStorage,
)


def open_client() -> AgentMeshClient:
    home = os.environ.get("AGENT_HOME")
    if home:
        Path(home).mkdir(parents=True, exist_ok=True)
    return AgentMeshClient(
        SQLiteStorage(Path(home) / "agent.db") if home else MemoryStorage(),
        key=Key.file(Path(home) / "agent.key") if home else Key.random(),
        registry_url=os.environ.get("AGENTMESH_REGISTRY_URL", "http://127.0.0.1:18787/v1"),
        relay_url=os.environ.get("AGENTMESH_RELAY_URL", "ws://127.0.0.1:18787/v1/connect"),
        policy=Policy.permissive(),
        capabilities=["web"],
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    client = open_client()

    @client.on_request
    async def answer(message: Message) -> object:
        app.state.answered += 1
        return {"from": "the web application", "asked": message.payload}

    async with client:
        app.state.client, app.state.answered = client, 0
        serving = asyncio.create_task(client.serve())
        yield
        # Handlers that run come to their end.
        serving.cancel()
        await asyncio.wait([serving])


app = FastAPI(lifespan=lifespan)


@app.get("/agent")
async def agent(request: Request) -> dict[str, Any]:
    """Who this application is in the mesh."""
    return {"amid": request.app.state.client.amid, "answered": request.app.state.answered}


@app.post("/ask/{amid}")
async def ask(amid: str, prompt: dict[str, Any], request: Request) -> Any:
    """Asks another agent and waits for its answer. A client that goes away cancels the request."""
    client: AgentMeshClient = request.app.state.client
    try:
        response = await client.request(amid, prompt, timeout=20)
    except (InvalidInputError, NotFoundError) as error:
        raise HTTPException(404, error.code) from error
    except DeadlineError as error:
        raise HTTPException(504, error.code) from error
    except RemoteError as error:
        raise HTTPException(502, error.remote_code) from error
    return response.payload


@app.post("/tokens/{amid}")
async def tokens(amid: str, prompt: dict[str, Any], request: Request) -> StreamingResponse:
    """The same, token by token."""
    client: AgentMeshClient = request.app.state.client
    stream = await client.stream(amid, prompt)

    async def chunks() -> AsyncIterator[str]:
        async with stream:
            async for chunk in stream:
                yield chunk.text

    return StreamingResponse(chunks(), media_type="text/plain; charset=utf-8")
