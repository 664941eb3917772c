"""The reference server for ``agentmesh.testing.Server`` and ``agentmesh dev``. Nothing in it is for applications to use."""

from __future__ import annotations

import atexit

import agentmesh
from agentmesh._errors import error_factory
from agentmesh._logging import add_half

from . import _server

__all__ = ["__version__"]

__version__: str = _server.VERSION

if __version__ != agentmesh.__version__:
    raise ImportError(
        f"agentmesh-e2ee-server {__version__} does not fit agentmesh-e2ee {agentmesh.__version__}: "
        'pip install --upgrade "agentmesh-e2ee[server]"',
        name=__name__,
    )

_server.set_error_factory(error_factory)
add_half(_server)
# Its threads leave the interpreter alone before it ends.
atexit.register(_server.shut_down)
