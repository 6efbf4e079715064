"""How a transcript says what the cores said and did."""

from __future__ import annotations

from raftdoc.raft import Configuration, MembershipEvent, PersistTask
from raftdoc.raft.messages import (
    AppendEntries,
    AppendResponse,
    Entry,
    EntryKind,
    HeartbeatResponse,
    Message,
    ReadIndexRequest,
    ReadIndexResponse,
    TimeoutNow,
    VoteRequest,
    VoteResponse,
)

from .lone import MS


def span(span: list[Entry] | tuple[Entry, ...]) -> str:
    """Return entries as 3@1 4@1c 5@2: index@term, c for a configuration; more than six as first..last."""
    if len(span) > 6:
        return f"{span[0].index}@{span[0].term}..{span[-1].index}@{span[-1].term}"
    return " ".join(f"{entry.index}@{entry.term}{'c' * (entry.kind == EntryKind.CONFIGURATION)}" for entry in span)


def words_of(message: Message, now_ns: int) -> str:
    """Return a message as it stands in a transcript; times count back from now."""
    name = type(message).__name__
    match message:
        case VoteRequest():
            kind = "PreVoteRequest" if message.pre else f"{name}{' forced' if message.forced else ''}"
            log = f"log {message.last_index}@{message.last_term}"
            return f"{kind} term {message.term} {log} commit {message.commit_index}@{message.commit_term}"
        case VoteResponse():
            kind = "PreVoteResponse" if message.pre else name
            return f"{kind} term {message.term} {'granted' if message.granted else 'refused'}"
        case AppendEntries():
            prev = f"term {message.term} prev {message.prev_index}@{message.prev_term} commit {message.commit_index}"
            text = f"{name} {prev} [{span(message.entries)}]" if message.entries else f"Heartbeat {prev}"
            return text + (f" round {message.read_round}" if message.read_round else "")
        case AppendResponse():
            if message.success:
                return f"{name} term {message.term} match {message.match_index}"
            conflict = f"{message.conflict_index}@{message.conflict_term}"
            return f"{name} term {message.term} refused after {message.prev_index}, may agree at {conflict}"
        case HeartbeatResponse():
            sent = f"sent {(now_ns - message.sent_ns) // MS} ms ago"
            return f"{name} term {message.term} {sent}" + (f" round {message.read_round}" if message.read_round else "")
        case TimeoutNow():
            return f"{name} term {message.term}"
        case ReadIndexRequest():
            return f"{name} term {message.term} read {message.context}"
        case ReadIndexResponse():
            return f"{name} term {message.term} read {message.context} index {message.read_index}"


def members_of(configuration: Configuration) -> str:
    """Return a configuration as n1,n2 from n1,n3 with n4: voters, outgoing voters, learners."""
    outgoing = f" from {','.join(configuration.voters_outgoing)}" if configuration.is_joint() else ""
    learners = f" with {','.join(configuration.learners)}" if configuration.learners else ""
    return (",".join(configuration.voters) or "nobody") + outgoing + learners


def membership_of(event: MembershipEvent) -> str:
    committed = "committed" if event.is_committed else "not committed"
    return f"{members_of(event.configuration)} at {event.index}, {committed}"


def task_of(task: PersistTask) -> str:
    """Return what a persist task makes durable, and what may leave then."""
    parts = [] if task.hard_state is None else [f"term {task.hard_state.term} vote {task.hard_state.vote}"]
    if task.truncate_from is not None:
        parts.append(f"truncate {task.truncate_from}")
    if task.reset is not None:
        begins = f"{task.reset.index}@{task.reset.index_term}"
        parts.append(f"begin after {begins} with {members_of(task.reset.configuration)}")
    if task.entries:
        parts.append(f"entries {span(task.entries)}")
    if task.messages_after:
        parts.append(
            "then " + ", ".join(f"{type(message).__name__} to {peer}" for peer, message in task.messages_after)
        )
    return "; ".join(parts if task.hard_state else ["nothing", *parts])
