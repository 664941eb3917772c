"""For the tests of applications: the reference server in this process, and the conformance suite for stores.

The pytest plugin of this package brings fixtures for both: ``agentmesh_server`` and ``agentmesh_client``.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypedDict, Union

from .. import _native
from .._server import server_class
from .._values import Seconds, dumps, milliseconds
from ..storage import CustomStorage, Durability, Runner, StoreFailure

if TYPE_CHECKING:
    from agentmesh_server import _server

__all__ = ["STORAGE_TESTS", "Server", "Urls", "check_storage"]


class Urls(TypedDict):
    """Where a server is, as arguments for clients."""

    registry_url: str
    relay_url: str


class Server:
    """The reference server: relay and registry in this process, on a free port, in memory unless a directory is named.

    A context manager, with and without ``async``::

        async with Server() as server:
            client = AgentMeshClient(MemoryStorage(), key=Key.random(), **server.urls)

    ``drop``, ``duplicate`` and ``reorder`` (0 to 1) and ``delay`` make it lose, repeat and hold back messages; the same ``seed``
    gives the same faults.

    Signaling is at :attr:`url`, an agent that echoes at :attr:`agent_websocket_url`. ``user_data`` and ``aiwm`` add the services
    of these names at :attr:`url`, for whoever brings any key, and for :attr:`aiwm_admin_token`.

    It is in a package of its own, ``pip install "agentmesh-e2ee[server]"``; without that, this is an ``ImportError``.
    """

    def __init__(
        self,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        port: int = 0,
        user_data: bool = False,
        aiwm: bool = False,
        drop: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        delay: Seconds = 0,
        seed: int = 0,
    ) -> None:
        for name, share in (("drop", drop), ("duplicate", duplicate), ("reorder", reorder)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is a share of the messages, from 0 to 1")
        settings = {
            "data_dir": None if data_dir is None else os.fspath(data_dir),
            "port": port,
            "user_data": user_data,
            "aiwm": aiwm,
            "drop": drop,
            "duplicate": duplicate,
            "reorder": reorder,
            "delay_ms": milliseconds(delay),
            "seed": seed,
        }
        self._settings = dumps({n: value for n, value in settings.items() if value is not None})
        self._native = server_class()
        self._inner: _server.Server | None = None

    def start(self) -> Server:
        """Starts it; when this returns, clients can connect. It takes some milliseconds."""
        if self._inner is None:
            self._inner = self._native.start(self._settings)
        return self

    def stop(self) -> None:
        """Stops it and waits for its end, at most five seconds. Again is fine."""
        if self._inner is not None:
            self._inner.stop_blocking()

    def _started(self) -> _server.Server:
        if self._inner is None:
            raise RuntimeError("the server is not running: use `with Server() as server`")
        return self._inner

    @property
    def registry_url(self) -> str:
        """What clients take as the registry's URL."""
        return self._started().registry_url

    @property
    def relay_url(self) -> str:
        """What clients take as the relay's URL."""
        return self._started().relay_url

    @property
    def url(self) -> str:
        """The server's own URL: for signaling, user data and AIWM, and such as for ``/health``."""
        return self._started().url

    @property
    def agent_websocket_url(self) -> str:
        """What clients take as the URL of the agent that answers WebSockets: an echo."""
        return self._started().agent_websocket_url

    @property
    def aiwm_admin_token(self) -> str:
        """What administers the AIWM controller, as ``Authorization: Bearer``."""
        token = self._started().aiwm_admin_token
        if token is None:
            raise RuntimeError("the server has no controller: use Server(aiwm=True)")
        return token

    @property
    def urls(self) -> Urls:
        """Both URLs, as arguments for clients."""
        return {"registry_url": self.registry_url, "relay_url": self.relay_url}

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Server:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._inner is not None:
            await self._inner.stop()

    def __repr__(self) -> str:
        return "<Server, not running>" if self._inner is None else f"<Server {self.url}>"


STORAGE_TESTS: tuple[str, ...] = tuple(_native.conformance_tests())
"""The names of the tests that :func:`check_storage` runs."""

OpenStore = Callable[[], Union[CustomStorage, Awaitable[CustomStorage]]]


async def check_storage(
    open_store: OpenStore,
    test: str,
    *,
    durability: Durability = Durability.SYNCED,
    exclusive: bool = True,
) -> None:
    """Runs one test of the conformance suite over a store of your own; an ``AssertionError`` says what it does wrong.

    ``open_store`` opens the store: the first time an empty one, later the same one again. Each test needs a place of its own.
    ``exclusive=False`` says that the store cannot notice that it is open twice. With pytest::

        @pytest.mark.parametrize("test", STORAGE_TESTS)
        def test_my_store(test, tmp_path):
            asyncio.run(check_storage(lambda: MyStore(tmp_path), test))
    """
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def open_one(request: _native.OpenRequest) -> None:
        try:
            opened = open_store()
            store = await opened if inspect.isawaitable(opened) else opened
        except StoreFailure as failure:
            request.fail(failure._kind, str(failure))
        except Exception as error:
            request.fail("failed", f"{type(error).__name__}: {error}")
        else:
            request.opened(Runner(store, loop))

    def begin(request: _native.OpenRequest) -> None:
        task = loop.create_task(open_one(request))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def on_open(request: _native.OpenRequest) -> None:
        try:
            loop.call_soon_threadsafe(begin, request)
        except RuntimeError:
            request.fail("failed", "the event loop is closed")

    problem = await _native.run_conformance_test(test, durability.value, exclusive, on_open)
    if problem is not None:
        raise AssertionError(f"{test}: {problem}")
