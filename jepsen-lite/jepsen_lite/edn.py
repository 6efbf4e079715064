"""The history in the form of Jepsen: a map of EDN a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from raftdoc.simulation.history import NEMESIS, Event


def to_edn(events: Iterable[Event]) -> Iterator[str]:
    """Yield a line for each event; operations on a key are on the tuple [key value], as Jepsen's independent ones."""
    for event in events:
        process = ":nemesis" if event.process == NEMESIS else str(event.process)
        value = event.value if event.key is None else [event.key, event.value]
        error = "" if event.error is None else f", :error {_edn(event.error)}"
        yield (
            f"{{:index {event.index}, :time {event.time}, :process {process}, :type :{event.type}, "
            f":f :{event.f}, :value {_edn(value)}{error}}}"
        )


def _edn(value: Any) -> str:
    if value is None:
        return "nil"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_edn(name)} {_edn(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + " ".join(_edn(one) for one in value) + "]"
    return json.dumps(value)
