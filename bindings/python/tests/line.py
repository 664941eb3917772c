"""A line between a client and a server of a test, which can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit


class Line:
    """Passes TCP connections on to a server; a context manager.

    While it is cut, connections that come are closed at once.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._carried: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.is_cut = False

    @property
    def url(self) -> str:
        """The server's URL, by way of this line."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(self._parts._replace(netloc=f"127.0.0.1:{port}"))

    def cut(self) -> None:
        """Ends all connections, and lets none through."""
        self.is_cut = True
        for task in self._carried:
            task.cancel()

    def mend(self) -> None:
        """Lets connections through again."""
        self.is_cut = False

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        onward: asyncio.StreamWriter | None = None
        try:
            if not self.is_cut:
                back, onward = await asyncio.open_connection(self._parts.hostname, self._parts.port)
                await asyncio.gather(_copy(reader, onward), _copy(back, writer))
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            self._carried.discard(task)
            for end in (writer, onward):
                if end is not None:
                    end.transport.abort()

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._carried:
            await asyncio.wait(self._carried)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
