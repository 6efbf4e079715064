"""What a key may do when its operations happen one after the other.

A model turns each operation into a call, a tuple whose first item says what kind it is, and steps from state to
state by calls. States and calls are hashable. An operation of which nobody knows whether it happened is a call that
is legal in every state in which it could happen.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple, TypeAlias

from raftdoc.simulation.history import HistoryInvalid, Operation

State: TypeAlias = Hashable
Call: TypeAlias = tuple[Any, ...]


class Illegal:
    """The state that no operation leads to."""


ILLEGAL: Final = Illegal()


class Model(NamedTuple):
    initial: State
    call_of: Callable[[Operation], Call | None]
    """None: the operation never happened, or says nothing."""
    step: Callable[[State, Call], State]
    """Returns ILLEGAL where the call cannot have that answer."""
    is_pure: Callable[[Call], bool]
    """Whether the call, where it is legal, changes no state at all."""


READ, WRITE, CAS, MISMATCH, MAYBE_CAS, CREATE, PRESENT, DELETE, ABSENT, MAYBE_CREATE, UPDATE, MAYBE_UPDATE = range(12)

_OBSERVATIONS: Final = frozenset((READ, MISMATCH, PRESENT, ABSENT))
_MISMATCHES: Final = ("cas-mismatch", "precondition_failed")


def register_call(operation: Operation) -> Call | None:
    """Return what an operation on a register does.

    get; put v; cas [old, new]; create v; update v, where there is a value; delete. A register without a value holds
    None. What fails because of what is there is an observation of it; any other failure never happened.
    """
    f, type_, value = operation.f, operation.type, operation.value
    if f in {"get", "read"}:
        return (READ, freeze(operation.result)) if type_ == "ok" else None
    if f in {"put", "write"}:
        return None if type_ == "fail" else (WRITE, freeze(value))
    if f == "cas":
        return _cas_call(operation)
    if f == "create":
        return _conditional(operation, (CREATE, freeze(value)), (MAYBE_CREATE, freeze(value)), "duplicate_key", PRESENT)
    if f == "update":
        done, maybe = (UPDATE, freeze(value)), (MAYBE_UPDATE, freeze(value))
        return _conditional(operation, done, maybe, "document_not_found", ABSENT)
    if f == "delete":
        # Whoever finds nothing to delete leaves nothing there, too.
        return _conditional(operation, (DELETE,), (WRITE, None), "document_not_found", ABSENT)
    raise HistoryInvalid(f"a register knows no {f!r}: {operation}")


def register_step(state: State, call: Call) -> State:
    """Return what a register holds after a call, ILLEGAL where the call cannot have been answered so."""
    kind: int = call[0]
    if kind == READ:
        return state if state == call[1] else ILLEGAL
    if kind == WRITE:
        written: State = call[1]
        return written
    if kind == CAS:
        return call[2] if state == call[1] else ILLEGAL
    if kind == MISMATCH:
        return state if state != call[1] else ILLEGAL
    if kind == MAYBE_CAS:
        return call[2] if state == call[1] else state
    return _step_presence(state, call)


def is_observation(call: Call) -> bool:
    """Return whether a call only looks."""
    return call[0] in _OBSERVATIONS


def _step_presence(state: State, call: Call) -> State:
    kind = call[0]
    if kind == UPDATE:
        return call[1] if state is not None else ILLEGAL
    if kind == MAYBE_UPDATE:
        return call[1] if state is not None else state
    if kind == CREATE:
        return call[1] if state is None else ILLEGAL
    if kind == MAYBE_CREATE:
        return call[1] if state is None else state
    if kind == DELETE:
        return None if state is not None else ILLEGAL
    is_absent = state is None
    return state if is_absent == (kind == ABSENT) else ILLEGAL


def _cas_call(operation: Operation) -> Call | None:
    old, new = freeze(operation.value[0]), freeze(operation.value[1])
    if operation.type == "ok":
        return CAS, old, new
    if operation.type == "info":
        return MAYBE_CAS, old, new
    return (MISMATCH, old) if operation.error in _MISMATCHES else None


def _conditional(operation: Operation, done: Call, maybe: Call, refusal: str, observed: int) -> Call | None:
    if operation.type == "ok":
        return done
    if operation.type == "info":
        return maybe
    return (observed,) if operation.error == refusal else None


def freeze(value: Any) -> Hashable:
    """Return a value of JSON as something hashable that is equal where the value is."""
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    if isinstance(value, dict):
        return tuple(sorted((name, freeze(item)) for name, item in value.items()))
    frozen: Hashable = value
    return frozen


REGISTER: Final = Model(None, register_call, register_step, is_observation)
