"""Majorities, of one configuration or of both halves of a joint one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from raftdoc.ids import NodeId
from raftdoc.raft.settings import Configuration


def majority(count: int) -> int:
    """Return how many of count are more than half."""
    return count // 2 + 1


def has_quorum(configuration: Configuration, agreed: Collection[NodeId]) -> bool:
    """Return whether those who agreed are a majority of every half.

    Source: dissertation 4.3.
    """
    return all(sum(voter in agreed for voter in half) >= majority(len(half)) for half in halves(configuration))


def has_lost(configuration: Configuration, refused: Collection[NodeId]) -> bool:
    """Return whether those who refused make a quorum impossible."""
    return any(sum(voter not in refused for voter in half) < majority(len(half)) for half in halves(configuration))


def quorum_value(configuration: Configuration, values: Mapping[NodeId, int]) -> int:
    """Return the largest value that a majority of every half has reached. Who is not in values has reached 0."""
    reached = _reached(configuration.voters, values)
    if configuration.voters_outgoing:
        return min(reached, _reached(configuration.voters_outgoing, values))
    return reached


def halves(configuration: Configuration) -> tuple[tuple[NodeId, ...], ...]:
    """Return the sets of voters of which each has to agree."""
    if configuration.voters_outgoing:
        return configuration.voters, configuration.voters_outgoing
    return (configuration.voters,)


def _reached(half: tuple[NodeId, ...], values: Mapping[NodeId, int]) -> int:
    get = values.get
    return sorted([get(voter, 0) for voter in half])[-majority(len(half))]
