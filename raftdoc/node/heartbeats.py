"""Heartbeats of many groups in one message, and their answers: a group that is idle costs some numbers in a column.

A node leads many groups, each of which tells every peer ten times a second that it is there. What leaves in one turn
for one peer was built at one time, so all of it is one message. The peer asks each group's core whether there is
anything new in it; where there is not, as almost always, no Ready and no message of its own is made for the group.

And acknowledgements that say nothing new to anybody who waits: no turn is begun for them (`note_late`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from raftdoc.ids import GroupId, NodeId, Term
from raftdoc.node.replica import Replica
from raftdoc.raft.messages import AppendEntries, AppendResponse, HeartbeatResponse
from raftdoc.wire.messages import HeartbeatResponses, Heartbeats, ReadRound

Beat: TypeAlias = tuple[GroupId, AppendEntries]
Response: TypeAlias = tuple[GroupId, HeartbeatResponse]


def join_beats(beats: Iterable[Beat]) -> list[Heartbeats]:
    """Return appends without entries as few messages: one for each time at which some were sent."""
    found: dict[tuple[int, int], list[Beat]] = {}
    for beat in beats:
        found.setdefault((beat[1].sent_ns, beat[1].boot_id), []).append(beat)
    return [_join_beats(same) for same in found.values()]


def _join_beats(beats: list[Beat]) -> Heartbeats:
    first = beats[0][1]
    rows = [
        (group, beat.term, beat.prev_index, beat.prev_term, beat.commit_index, ReadRound(beat.read_round))
        for group, beat in beats
    ]
    return Heartbeats(first.sent_ns, first.boot_id, *zip(*rows, strict=True))


def hear_all(
    replicas: Mapping[GroupId, Replica], peer: NodeId, message: Heartbeats, now_ns: int
) -> tuple[HeartbeatResponses | None, list[Beat]]:
    """Have each core hear its heartbeat; return the answer, and the heartbeats that are to be stepped instead.

    Columns of unequal length, which nobody sends, count as far as all reach.
    """
    sent_ns, boot_id = message.sent_ns, message.boot_id
    heard: list[tuple[GroupId, Term, ReadRound]] = []
    news: list[Beat] = []
    for group, term, prev_index, prev_term, commit_index, read_round in zip(*message[2:], strict=False):
        replica = replicas.get(group)
        if replica is not None and replica.core.hear(peer, term, commit_index, now_ns):
            heard.append((group, term, read_round))
        else:
            beat = AppendEntries(term, prev_index, prev_term, commit_index, (), sent_ns, read_round, boot_id)
            news.append((group, beat))
    answer = HeartbeatResponses(sent_ns, boot_id, *zip(*heard, strict=True)) if heard else None
    return answer, news


def join_responses(responses: Iterable[Response]) -> list[HeartbeatResponses]:
    """Return answers to heartbeats as few messages: one for each time at which what they answer was sent."""
    found: dict[tuple[int, int], list[Response]] = {}
    for response in responses:
        found.setdefault((response[1].sent_ns, response[1].boot_id), []).append(response)
    return [
        HeartbeatResponses(
            sent_ns,
            same[0][1].boot_id,
            tuple([group for group, _ in same]),
            tuple([response.term for _, response in same]),
            tuple([ReadRound(response.read_round) for _, response in same]),
        )
        for (sent_ns, _), same in found.items()
    ]


def split_responses(message: HeartbeatResponses) -> Iterator[Response]:
    """Yield what was joined; as far as all columns reach."""
    sent_ns, boot_id = message.sent_ns, message.boot_id
    for group, term, read_round in zip(*message[2:], strict=False):
        yield group, HeartbeatResponse(term, sent_ns, read_round, boot_id)


def note_late(
    replicas: Mapping[GroupId, Replica], peer: NodeId, items: list[tuple[GroupId, Any]], read_ns: Callable[[], int]
) -> bool:
    """Return whether a frame is an acknowledgement that nobody waits for: of the slower followers, all of them are.

    It may then lie until the next turn; `read_ns` reads the clock, for how long it took.
    """
    if len(items) != 1:
        return False
    ((group, message),) = items
    if type(message) is not AppendResponse:
        return False
    replica = replicas.get(group)
    return replica is not None and replica.core.note_late(peer, message, read_ns())
