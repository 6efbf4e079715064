"""Small histories for the tests of checkers."""

from __future__ import annotations

from random import Random
from typing import Any

from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.simulation.history import Event, Operation, RaftPosition, Recorder


def position(index: int, ordinal: int | None = None) -> RaftPosition:
    return RaftPosition(GroupId(1), Index(index), Term(1), NodeId("n1"), ordinal)


def operation(
    f: str,
    value: Any,
    start: int,
    stop: int | None,
    *,
    process: int = 0,
    type: str = "ok",
    result: Any = None,
    error: str | None = None,
    id: str | None = None,
    at: int | None = None,
    key: str = "k",
) -> Operation:
    """Return an operation on key; `at` is the raft index in its answer."""
    raft = None if at is None else position(at)
    return Operation(process, f, key, value, type, result, error, id, start, stop, None, raft)  # type: ignore[arg-type]


def friendly(count: int, keys: int, processes: int = 10, seed: int = 1) -> list[Event]:
    """Return a linearizable history of registers: every operation takes effect somewhere between its events."""
    random, recorder = Random(seed), Recorder()
    state: dict[str, Any] = {}
    running: dict[int, tuple[Event, bool, Any]] = {}
    made = 0
    while made < count or running:
        process = random.randrange(processes)
        if process not in running:
            if made < count:
                made += 1
                running[process] = (
                    _invoke(random, recorder, state, process, f"k{random.randrange(keys)}", made),
                    False,
                    None,
                )
            continue
        invoked, is_done, answer = running[process]
        if not is_done:
            running[process] = invoked, True, _take_effect(state, invoked)
            continue
        del running[process]
        if invoked.f == "cas" and not answer:
            recorder.complete(invoked, 0, "fail", invoked.value, error="cas-mismatch")
        else:
            recorder.complete(invoked, 0, "ok", answer)
    return recorder.events


def _invoke(random: Random, recorder: Recorder, state: dict[str, Any], process: int, key: str, number: int) -> Event:
    f = random.choice(("get", "put", "cas"))
    value = None if f == "get" else number if f == "put" else [state.get(key), number]
    return recorder.invoke(0, process, f, key, value)


def _take_effect(state: dict[str, Any], invoked: Event) -> Any:
    key = str(invoked.key)
    if invoked.f == "get":
        return state.get(key)
    if invoked.f == "put":
        state[key] = invoked.value
        return None
    if state.get(key) != invoked.value[0]:
        return False
    state[key] = invoked.value[1]
    return True
