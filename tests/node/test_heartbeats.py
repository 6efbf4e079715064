"""Heartbeats of many groups in one message: what is joined comes apart the same, and only news is stepped."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from raftdoc.ids import BootId, GroupId, Index, NodeId, Term
from raftdoc.node.heartbeats import Beat, Response, hear_all, join_beats, join_responses, split_responses
from raftdoc.node.outbox import Outbox
from raftdoc.raft.messages import AppendEntries, HeartbeatResponse
from raftdoc.transport.transport import Lane
from raftdoc.wire.messages import HeartbeatResponses, Heartbeats

N2 = NodeId("n2")
NOBODY = MappingProxyType[GroupId, Any]({})


def beat(group: int, sent_ns: int = 5) -> Beat:
    message = AppendEntries(Term(group), Index(4), Term(3), Index(2), (), sent_ns, group + 1, BootId(7))
    return GroupId(group), message


def response(group: int, sent_ns: int = 5) -> Response:
    return GroupId(group), HeartbeatResponse(Term(group), sent_ns, group + 1, BootId(7))


def test_heartbeats_come_apart_as_they_were_joined() -> None:
    beats = [beat(1), beat(2), beat(3)]
    (joined,) = join_beats(beats)
    assert hear_all(NOBODY, N2, joined, 0) == (None, beats)


def test_responses_come_apart_as_they_were_joined() -> None:
    responses = [response(1), response(2)]
    (joined,) = join_responses(responses)
    assert list(split_responses(joined)) == responses


def test_what_was_sent_at_different_times_is_not_joined() -> None:
    assert [message.groups for message in join_beats([beat(1), beat(2, sent_ns=6), beat(3)])] == [(1, 3), (2,)]
    assert [message.groups for message in join_responses([response(1), response(2, sent_ns=6)])] == [(1,), (2,)]


def test_columns_of_unequal_length_count_as_far_as_all_reach() -> None:
    (joined,) = join_beats([beat(1), beat(2)])
    answer, news = hear_all(NOBODY, N2, joined._replace(terms=joined.terms[:1]), 0)
    assert (answer, news) == (None, [beat(1)])
    (responses,) = join_responses([response(1), response(2)])
    assert list(split_responses(responses._replace(groups=responses.groups[:1]))) == [response(1)]


class Frames:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[Lane, list[tuple[GroupId, Any]]]] = []

    def send(self, peer: NodeId, lane: Lane, items: list[tuple[GroupId, Any]]) -> None:
        self.sent.append((lane, items))


def test_a_turn_says_all_that_it_leads_and_hears_in_one_frame_of_the_heartbeat_lane() -> None:
    frames = Frames()
    outbox = Outbox(frames)  # type: ignore[arg-type]
    outbox.put_all(GroupId(1), [(N2, beat(1)[1]), (N2, response(1)[1])])
    outbox.put_all(GroupId(2), [(N2, beat(2)[1]), (N2, response(2)[1])])
    outbox.send()
    ((lane, items),) = frames.sent
    assert lane is Lane.HEARTBEAT
    assert [type(message) for _, message in items] == [Heartbeats, HeartbeatResponses]


def test_a_single_heartbeat_stays_what_it_is() -> None:
    frames = Frames()
    outbox = Outbox(frames)  # type: ignore[arg-type]
    outbox.put(N2, *beat(1))
    outbox.send()
    outbox.send()
    assert frames.sent == [(Lane.HEARTBEAT, [beat(1)])]
