"""Majorities, of one configuration or of both halves of a joint one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from raftdoc.ids import NodeId
from raftdoc.raft.settings import Configuration


def majority(count: int) -> int:
    """Return how many of count are more than half."""
    return count // 2 + 1


def has_quorum(configuration: Configuration, agreed: Iterable[NodeId]) -> bool:
    """Return whether those who agreed are a majority of every half.

    Source: dissertation 4.3.
    """
    those = set(agreed)
    return all(sum(voter in those for voter in half) >= majority(len(half)) for half in halves(configuration))


def has_lost(configuration: Configuration, refused: Iterable[NodeId]) -> bool:
    """Return whether those who refused make a quorum impossible."""
    those = set(refused)
    return any(sum(voter not in those for voter in half) < majority(len(half)) for half in halves(configuration))


def quorum_value(configuration: Configuration, value_of: Callable[[NodeId], int]) -> int:
    """Return the largest value that a majority of every half has reached."""
    reached = []
    for half in halves(configuration):
        values = sorted(map(value_of, half), reverse=True)
        reached.append(values[majority(len(half)) - 1])
    return min(reached)


def halves(configuration: Configuration) -> tuple[tuple[NodeId, ...], ...]:
    """Return the sets of voters of which each has to agree."""
    if configuration.voters_outgoing:
        return configuration.voters, configuration.voters_outgoing
    return (configuration.voters,)
