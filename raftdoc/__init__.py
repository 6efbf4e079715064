"""raftdoc: a JSON document database whose every write goes through Raft.

Importing this package loads nothing else: public names are resolved when they are
first used, so that a pure floor (`raftdoc.raft`, `raftdoc.document`) can be imported
without asyncio, aiohttp or rocksdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raftdoc.client.blocking import Client
    from raftdoc.client.client import AsyncClient
    from raftdoc.client.options import CallOptions, ClientOptions, Session

__version__ = "0.1.0"
__all__ = ["AsyncClient", "CallOptions", "Client", "ClientOptions", "Session", "__version__"]

_HOMES: Final = {
    "AsyncClient": "raftdoc.client.client",
    "CallOptions": "raftdoc.client.options",
    "Client": "raftdoc.client.blocking",
    "ClientOptions": "raftdoc.client.options",
    "Session": "raftdoc.client.options",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'raftdoc' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
