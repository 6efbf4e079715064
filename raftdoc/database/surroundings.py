"""What the database needs of the process around it: links, the reconciler, the network, a few settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from raftdoc.ids import NodeId
from raftdoc.limits import REPLICAS
from raftdoc.transport.transport import Refusal


class Surroundings(NamedTuple):
    is_connected: Callable[[NodeId], bool]
    """Whether all links to a peer are up."""
    refusal: Callable[[NodeId], Refusal | None]
    """Why the last dial to a peer was refused."""
    reconcile: Callable[[], None]
    """Makes the groups hosted here agree with the catalog."""
    reaches: Callable[[str], Awaitable[bool]]
    """Whether something takes connections at `host:port`."""
    replica_count: int = REPLICAS
    """Of the groups of new databases."""
