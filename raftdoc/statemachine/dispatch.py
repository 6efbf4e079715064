"""Runs the commands of one entry: the loop that all machines share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import msgpack

from raftdoc.errors import FormatTooNew, StateCorrupt
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.statemachine.commands import FEATURE_LEVEL
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.refusal import Refused, Undecided
from raftdoc.statemachine.requests import Requests
from raftdoc.statemachine.staging import Staged

Command: TypeAlias = Sequence[Any]
"""op, level, request, fields of the op: see `commands`."""

_T = TypeVar("_T", bound="Target")
Handler: TypeAlias = Callable[[_T, Command], Outcome]


class Target(Protocol):
    """What a machine's handlers work on: its part of a slice."""

    @property
    def staged(self) -> Staged: ...

    @property
    def handlers(self) -> Mapping[int, Callable[[Any, Command], Outcome]]:
        """By op. May be another mapping after a command."""
        ...

    def foresee(self, commands: Sequence[Command]) -> None:
        """Be told of all commands of an entry before the first is handled: what they need is looked up together."""
        ...


def holds_commands(entry: Entry) -> bool:
    """Return whether an entry holds commands; the other kinds are of the consensus and change no state.

    Raises:
        FormatTooNew: an entry of a kind that this version does not know.
    """
    if entry.kind == EntryKind.COMMANDS:
        return True
    if entry.kind not in (EntryKind.NOOP, EntryKind.CONFIGURATION):
        raise FormatTooNew(f"entry {entry.index} is of kind {entry.kind}, which this version does not know")
    return False


def apply_commands(target: Target, requests: Requests, entry: Entry) -> list[Outcome]:
    """Return the outcome of each command of an entry, in their order.

    Raises:
        FormatTooNew: a command that this version does not know; going on would make this replica differ.
        StateCorrupt: the payload is not an array of commands.
    """
    staged = target.staged
    outcomes = []
    commands = _decode(entry)
    target.foresee(commands)
    for command in commands:
        op, level, request = command[:3]
        if level != staged.progress.feature_level:
            _raise_level(staged, entry, level)
        handler = target.handlers.get(op)
        if handler is None:
            raise FormatTooNew(f"entry {entry.index} holds command {op}, which this version does not know")
        try:
            if request is None:
                outcomes.append(handler(target, command))
            else:
                outcomes.append(requests.once(staged, request, handler, target, command))
        except (Refused, Undecided) as refusal:
            outcomes.append(refusal.outcome)
    return outcomes


def _decode(entry: Entry) -> Sequence[Command]:
    try:
        commands = msgpack.unpackb(entry.payload, use_list=False)
    except ValueError as error:
        raise StateCorrupt(f"the payload of entry {entry.index} is not msgpack: {error}") from error
    if not isinstance(commands, tuple) or not all(type(command) is tuple and len(command) > 3 for command in commands):
        raise StateCorrupt(f"the payload of entry {entry.index} is not an array of commands")
    return commands


def _raise_level(staged: Staged, entry: Entry, level: int) -> None:
    if level > FEATURE_LEVEL:
        raise FormatTooNew(
            f"entry {entry.index} holds a command of feature level {level}; this version knows {FEATURE_LEVEL}"
        )
    staged.progress.feature_level = max(staged.progress.feature_level, level)
