"""Decides which data directory may speak for a node id, so that a wiped node never votes twice.

Every node remembers the first store_id that it saw behind a node id, durably, before it lets that node in. A
node that starts with an empty directory has to be let in by every initial member before it takes part; if one
of them remembers another directory, it is refused, and stops.

Source: "A wiped node must not vote twice" in docs/consensus.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raftdoc.ids import NodeId, StoreId


class Admission:
    """`save` makes the known stores durable before it returns; it is called once per new peer."""

    def __init__(self, known: Mapping[NodeId, StoreId], save: Callable[[Mapping[NodeId, StoreId]], None]) -> None:
        self._known = dict(known)
        self._save = save

    def admit(self, node: NodeId, store_id: StoreId) -> str | None:
        """Return None when the peer may come in, else why not. Whatever `save` raises: it is not let in."""
        known = self._known.get(node)
        if known is None:
            stores = {**self._known, node: store_id}
            self._save(stores)
            self._known = stores
            return None
        if known == store_id:
            return None
        return (
            f"node {node} is known with another data directory (store {known}, this one is {store_id}); a node that "
            f"lost its data must not vote again under its old id: start it under a new one with --join, then use "
            f"`raftdoc cluster replace {node} NEW`"
        )
