"""What a caller may set: of the client once, and of calls through `with_options`."""

from __future__ import annotations

import dataclasses
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from raftdoc.client.errors import InvalidUse

Consistency = Literal["linearizable", "stale"]
Balance = Literal["round_robin", "random", "least_connections", "leader", "nearest"]
BALANCES: Final[tuple[Balance, ...]] = ("round_robin", "random", "least_connections", "leader", "nearest")

ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024
"""Of one answer that is read whole; streams are read piece by piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Of a client, for its whole life."""

    balance: Balance = "leader"
    """Which node is asked first. `leader`: the one that led the database's group last; saves a hop."""
    connections_max: int = 64
    """Open to each node; a call waits for one within its deadline."""
    connect_timeout_s: float = 2.0
    """One attempt to reach a node: then the next one's turn."""
    discover: bool = True
    """Learn of further nodes from the cluster; False: only those given are asked."""
    topology_interval_s: float = 30.0
    idempotency: bool = True
    """Send a key with every write, so that a retry never does it twice."""
    retry_rate_max: float = 0.1
    """Retries for each call, over time: an overloaded cluster is not loaded further."""
    tls: ssl.SSLContext | None = None
    """For `https` addresses; None: the system's certificates."""

    def __post_init__(self) -> None:
        if self.balance not in list(BALANCES):
            raise InvalidUse(f"balance is one of {', '.join(BALANCES)}, not {self.balance!r}")
        if type(self.connections_max) is not int or self.connections_max < 1:
            raise InvalidUse(f"connections_max is a whole number of at least 1, not {self.connections_max!r:.60}")
        _check_number("connect_timeout_s", self.connect_timeout_s, above=0)
        _check_number("topology_interval_s", self.topology_interval_s, above=0)
        _check_number("retry_rate_max", self.retry_rate_max, least=0, most=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Of calls. A client, a database and a collection each carry one, which `with_options` changes."""

    timeout_s: float = 10.0
    """One deadline for a call, over all its retries and hops."""
    consistency: Consistency = "linearizable"
    max_staleness_ms: int | None = None
    """With `stale`: how old the node's state may be at most."""
    session: Session | None = None
    idempotency_key: str | None = None
    """Of the one write that is made with these options, instead of a key made for it: a program that was restarted
    sends the same write again, and it is done once."""

    def __post_init__(self) -> None:
        _check_number("timeout_s", self.timeout_s, above=0, most=600)
        if self.consistency not in ("linearizable", "stale"):
            raise InvalidUse(f"consistency is linearizable or stale, not {self.consistency!r}")
        if self.max_staleness_ms is not None:
            _check_number("max_staleness_ms", self.max_staleness_ms, least=0, most=86_400_000)
            if self.consistency != "stale":
                raise InvalidUse("max_staleness_ms needs consistency='stale'")
        if self.session is not None and not isinstance(self.session, Session):
            raise InvalidUse(f"session is what client.session() returned, not {self.session!r:.60}")

    def changed(self, changes: Mapping[str, Any]) -> CallOptions:
        """Return the options with these changes.

        Raises:
            InvalidUse: there is no such option, or it cannot have this value.
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise InvalidUse(f"there is no option {name} of calls; there are: {', '.join(known)}")
        return dataclasses.replace(self, **changes)


def _check_number(
    name: str, value: object, *, above: float = -math.inf, least: float = -math.inf, most: float = 86_400
) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not above < value or not least <= value <= most:  # type: ignore[operator]
        bound = f"above {above}" if above > least else f"at least {least}"
        raise InvalidUse(f"{name} is a number {bound} and at most {most}, not {value!r:.60}")


class Session:
    """Reads that see every write and every read of the same session before them, on any node and at any level.

    It keeps, for each group, the newest state that one of its answers has shown, and asks for no older one. Calls of
    one session may run at once: each sees what was answered before it began.
    """

    __slots__ = ("_indexes",)

    def __init__(self) -> None:
        self._indexes: dict[str, int] = {}

    def note(self, token: str) -> None:
        """Take the `Raftdoc-Index` of an answer."""
        for part in token.split(","):
            group, _, index = part.partition(":")
            if len(index) < 20 and index.isdecimal() and int(index) > self._indexes.get(group, 0):
                self._indexes[group] = int(index)

    @property
    def token(self) -> str:
        """What `Raftdoc-Min-Index` has to be; empty before the first answer."""
        return ",".join(f"{group}:{index}" for group, index in self._indexes.items())
