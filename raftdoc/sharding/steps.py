"""From where the replicas of a group are to where they shall be: one step, derived from what is there now.

    learner first -> wait until it has caught up -> hand leadership over, if the leader goes -> new voters, old ones out

Whoever asks carries the step out and asks again. Nothing is remembered between two steps: after a failure, a lost
answer or a change of leader, of the group's or of the one who asks, the next step is found in the same way.

Source: dissertation 4.2.1 (learners), 4.2.2 (removing the leader).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple, TypeAlias

from raftdoc.ids import Index, NodeId

CAUGHT_UP: Final = "caught_up"
TOO_SLOW: Final = "too_slow"


class GroupState(NamedTuple):
    """A group as its leader knows it."""

    leader: NodeId
    voters: frozenset[NodeId]
    learners: frozenset[NodeId]
    is_settled: bool
    """The last change is done: committed, not joint, under a leader that may begin another."""
    matches: Mapping[NodeId, Index]
    """How much of the log each of the leader's peers has."""
    fitness: Mapping[NodeId, str]
    """Of learners: CAUGHT_UP, TOO_SLOW, or something else, which is neither yet."""


class Wait(NamedTuple):
    """Nothing can be done now."""

    reason: str


class Change(NamedTuple):
    """Make these the members of the group, all of them. Sorted."""

    voters: tuple[NodeId, ...]
    learners: tuple[NodeId, ...]


class HandOver(NamedTuple):
    """Have another node lead."""

    target: NodeId


class Done(NamedTuple):
    """The members are who they shall be."""


class GiveUp(NamedTuple):
    """A node cannot follow; it is to be tried again later, or another one."""

    node: NodeId


Step: TypeAlias = Wait | Change | HandOver | Done | GiveUp


def next_step(
    group: GroupState,
    wanted: Collection[NodeId],
    followers: Collection[NodeId] = (),
    *,
    living: Collection[NodeId],
) -> Step:
    """Return what is next. `wanted` shall vote and nobody else; `followers` shall get the log without a vote.

    `living` are the nodes that may be handed leadership, and of which new sets of voters need a majority.
    """
    if not group.is_settled:
        return Wait("the last change of its members is not done yet")
    wanted_voters, wanted_learners = frozenset(wanted), frozenset(followers) - frozenset(wanted)
    assert wanted_voters, "a group without voters is none"
    if group.voters == wanted_voters and group.learners == wanted_learners:
        return Done()
    new = wanted_voters - group.voters
    learners = (new | wanted_learners) - group.voters
    if group.learners != learners:
        return _change(group.voters, learners)
    for node in sorted(new):
        if group.fitness.get(node) == TOO_SLOW:
            return GiveUp(node)
    behind = [node for node in sorted(new) if group.fitness.get(node) != CAUGHT_UP]
    if behind:
        return Wait(f"{', '.join(behind)} is catching up")
    if not _has_majority(wanted_voters, living):
        # Safety: such a change could be begun and never be committed, and nothing else after it.
        return Wait("most of those who shall vote are not connected")
    if group.leader in wanted_voters:
        return _change(wanted_voters, wanted_learners)
    heirs = wanted_voters & group.voters & frozenset(living)
    if heirs:
        return HandOver(max(heirs, key=lambda node: (group.matches.get(node, 0), node)))
    # Nobody who shall stay can lead yet: first they vote beside those who go.
    return _change(group.voters | wanted_voters, wanted_learners)


def _has_majority(voters: frozenset[NodeId], living: Collection[NodeId]) -> bool:
    return 2 * len(voters.intersection(living)) > len(voters)


def _change(voters: Collection[NodeId], learners: Collection[NodeId]) -> Change:
    return Change(tuple(sorted(voters)), tuple(sorted(frozenset(learners) - frozenset(voters))))
