"""The reference server and the whole command, which are in a package of their own: ``agentmesh-e2ee[server]``."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentmesh_server import _server

__all__ = ["find", "server_class"]


def find() -> ModuleType | None:
    """The native half of ``agentmesh_server``; ``None`` if that is not installed."""
    try:
        import agentmesh_server
    except ModuleNotFoundError as error:
        if error.name != "agentmesh_server":
            raise
        return None
    return agentmesh_server._server


def server_class() -> type[_server.Server]:
    """What runs a server; an ``ImportError`` that says how to install it if it is not."""
    half = find()
    if half is None:
        raise ImportError(
            'the reference server is not installed: pip install "agentmesh-e2ee[server]"',
            name="agentmesh_server",
        )
    native: type[_server.Server] = half.Server
    return native
