"""Streams: answers that come in pieces, such as token by token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from . import _native
from ._errors import AgentMeshError
from ._failure import Failure
from ._items import Opened
from ._values import dumps

__all__ = ["Chunk", "IncomingStream", "OutgoingStream"]


@dataclass(frozen=True)
class Chunk:
    """One piece of an answer."""

    number: int
    """Its place in the stream, from 0, without gaps."""
    data: str | bytes
    """What it says."""

    @property
    def text(self) -> str:
        """Its text, empty if it is bytes."""
        return self.data if isinstance(self.data, str) else ""


class IncomingStream(Opened):
    """An answer that comes in pieces: an asynchronous iterator of chunks, and a context manager that leaves it in the end.

    Chunks come in order, each once, whatever the network does. The sender is held back while this end does not
    read. What was not consumed is there again after a crash: :meth:`AgentMeshClient.resume_stream`.

    Leaving it (the end of ``async with``, :meth:`cancel`, or when nobody holds it any more) tells the sender, which stops. A
    ``break`` out of ``async for`` alone does not, as long as a name holds the stream.
    """

    __slots__ = ("_inner",)
    _inner: _native.IncomingStream

    def __init__(self, native: _native.IncomingStream) -> None:
        self._inner = native

    @property
    def peer(self) -> str:
        """Who answers."""
        return self._inner.peer

    @property
    def id(self) -> str:
        """The request; it names the stream."""
        return self._inner.id

    @property
    def position(self) -> int:
        """The number of the next chunk."""
        return self._inner.position

    @property
    def metadata(self) -> Any:
        """What the sender said about the stream last."""
        text = self._inner.metadata
        return None if text is None else json.loads(text)

    def __aiter__(self) -> IncomingStream:
        return self

    async def __anext__(self) -> Chunk:
        while True:
            chunk = self._inner.take()
            if chunk is False:
                raise StopAsyncIteration
            if chunk is not None:
                return Chunk(*chunk)
            await self._inner.ready()

    async def read(self) -> str:
        """Everything that is still to come, as one text. For answers that are known to be small."""
        return "".join([chunk.text async for chunk in self])

    def ack(self, number: int) -> None:
        """Marks every chunk below ``number`` as consumed, in streams that were opened with ``manual_ack``."""
        self._inner.ack(number)

    async def cancel(self, reason: str = "") -> None:
        """Ends the stream: its sender hears ``reason``, and its next ``send`` fails. Again is fine."""
        await self._inner.cancel(reason)

    async def aclose(self) -> None:
        """The same as :meth:`cancel`, under the name that :func:`contextlib.aclosing` calls."""
        await self.cancel()

    async def detach(self) -> str:
        """Stops reading without cancelling. The id, for :meth:`AgentMeshClient.resume_stream`."""
        await self._inner.detach()
        return self.id

    async def _enter(self) -> None:
        pass

    async def _leave(self) -> None:
        await self.cancel()

    def __repr__(self) -> str:
        return f"<IncomingStream {self.id} from {self.peer} at {self.position}>"


class OutgoingStream:
    """An answer that is given in pieces, from :meth:`Message.stream`.

    A context manager: the end of the block finishes the stream, an exception in it fails it with the code
    ``STREAM_HANDLER_FAILED`` (or those of a :class:`Failure`), a cancellation with ``STREAM_ABORTED``.
    """

    __slots__ = ("_message", "_inner")
    _inner: _native.OutgoingStream | None

    def __init__(self, message: _native.Message) -> None:
        self._message = message
        self._inner = None

    def _open(self) -> _native.OutgoingStream:
        if self._inner is None:
            raise RuntimeError("the stream is not open: use `async with message.stream() as answer`")
        return self._inner

    @property
    def position(self) -> int:
        """The number of the next chunk. Above 0 at first if an earlier run of the process began the stream: what it
        sent has been queued and arrives."""
        return self._open().position()

    @property
    def is_stopped(self) -> bool:
        """Whether the stream is over, because its reader left or something failed. :meth:`send` says what."""
        return self._open().is_stopped()

    async def stopped(self) -> AgentMeshError | None:
        """Waits until the stream is over, and says why: ``STREAM_CANCELLED`` if its reader left, ``None`` if it was finished.
        For stopping work that nobody waits for; may be awaited while another task sends."""
        try:
            await self._open().stopped()
        except AgentMeshError as error:
            return error
        return None

    async def send(self, chunk: str | bytes) -> int:
        """Sends a chunk and returns its number. Waits while the reader does not keep up; cancelled then, it was not sent.

        Raises an :class:`AgentMeshError` with the code ``STREAM_CANCELLED`` once the reader has left.
        """
        return await self._open().send(chunk)

    async def send_all(self, chunks: AsyncIterable[str | bytes]) -> None:
        """Sends whatever ``chunks`` yields, such as a model its tokens, and cancels it when the reader leaves, also while it
        computes the next one: then this raises what :meth:`send` would.

        In a stream that an earlier run began, as many chunks are left out as were sent then (:attr:`position`).
        """
        sending = asyncio.ensure_future(self._send_each(chunks))
        stopped = asyncio.ensure_future(self.stopped())
        try:
            await asyncio.wait({sending, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = not sending.done()
            sending.cancel()
            stopped.cancel()
            await asyncio.wait({sending, stopped})
            # What nobody is told below, because this was cancelled, is no unretrieved exception either.
            _ = sending.cancelled() or sending.exception()
        if not left or not sending.cancelled():
            return sending.result()
        why = None if stopped.cancelled() else stopped.result()
        if why is not None:
            raise why

    async def _send_each(self, chunks: AsyncIterable[str | bytes]) -> None:
        skip = self.position
        try:
            async for chunk in chunks:
                if skip > 0:
                    skip -= 1
                else:
                    await self.send(chunk)
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    async def set_metadata(self, value: Any) -> None:
        """Says something about the stream, such as the name of a model; goes out with the next chunk."""
        await self._open().set_metadata(dumps(value))

    async def flush(self) -> None:
        """Waits until everything that was sent is on disk."""
        await self._open().flush()

    async def finish(self) -> None:
        """Says that everything was said, and marks the request as handled."""
        await self._open().finish()

    async def fail(self, code: str, message: str = "", *, retryable: bool = False) -> None:
        """Says why there will be no more, and marks the request as handled."""
        await self._open().fail(code, message, retryable)

    async def __aenter__(self) -> OutgoingStream:
        if self._inner is None:
            self._inner = await self._message.stream()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self.finish()
            elif isinstance(error, Failure):
                await self.fail(error.code, error.message, retryable=error.retryable)
            elif isinstance(error, Exception):
                await self.fail("STREAM_HANDLER_FAILED", type(error).__name__)
            else:
                # Cancelled: dropped without an end, the stream tells its reader STREAM_ABORTED.
                self._inner = None
        except AgentMeshError:
            # Finished by hand before, or left by its reader: the block's own error says more.
            if error is None and not self._ended():
                raise

    def _ended(self) -> bool:
        return self._inner is not None and self._inner.is_stopped()
