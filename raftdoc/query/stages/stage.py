"""What a stage is, what it is built with, and how much memory it may take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn, Protocol, TypeAlias

import orjson

from raftdoc.errors import QueryOverBudget
from raftdoc.limits import PIPELINE_BYTES_MAX, PIPELINE_DEPTH_MAX
from raftdoc.query.context import BURST_STEPS_MAX, Context
from raftdoc.query.expression import Expression, compile_in, new_scope
from raftdoc.query.expressions.scope import Frame, Reading, Value, fault

Document: TypeAlias = dict[str, Any]
Items: TypeAlias = Iterator[Document | None]
"""Documents; None is a pause: nothing is at hand, the caller may give the loop back."""

PAUSE_DOCUMENTS: Final = 64
PAUSE_VALUES: Final = 1000
"""Members and elements of a document, from which on it waits for a pause now and then between stages."""
_HOLDING: Final = frozenset({dict, list})
_NUMBER_BYTES: Final = 8
MEMORY_EXCEEDED: Final = 292
WRONG_STAGE_FORM: Final = 40323


class Stage(Protocol):
    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        """Return what comes out when documents go in."""
        ...


class Runnable(Protocol):
    """A parsed pipeline, as stages that hold one see it."""

    def run(self, documents: Iterable[Document | None], context: Context) -> Items: ...

    @property
    def is_source(self) -> bool:
        """Whether it begins with documents of its own."""
        ...

    def split(self) -> tuple[Runnable, Runnable]:
        """Return its first stage and the others."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a stage stands."""

    parse: Callable[[Value, str, Setting], Runnable]
    """Parses a pipeline inside a stage."""
    variables: frozenset[str] = frozenset()
    reading: Reading = field(default_factory=Reading)
    depth: int = 0
    is_first: bool = False
    inside: str = ""
    """The stage that the pipeline stands in, as `$facet`; empty: none."""
    is_in_facet: bool = False
    """Whether one of the stages around it is a `$facet`."""

    def expression(self, spec: Value, pointer: str, *, constants: Mapping[str, Value] | None = None) -> Expression:
        """Compile an expression of this stage.

        Raises:
            InvalidQuery: it is none.
        """
        return compile_in(new_scope(self.variables, constants=constants, reading=self.reading), spec, pointer)

    def below(self, stage: str, pointer: str, variables: frozenset[str] | None = None) -> Setting:
        """Return the setting of a pipeline inside a stage.

        Raises:
            InvalidQuery: pipelines are nested too deep.
        """
        if self.depth >= PIPELINE_DEPTH_MAX:
            raise fault(f"pipelines are nested at most {PIPELINE_DEPTH_MAX} deep", pointer, 232)
        return replace(
            self,
            variables=self.variables if variables is None else variables,
            depth=self.depth + 1,
            inside=stage,
            is_in_facet=self.is_in_facet or stage == "$facet",
        )


StageBuilder: TypeAlias = "Callable[[Value, str, Setting], Stage]"


def paced(documents: Iterable[Document | None], context: Context) -> Items:
    """Return the documents with pauses between them, for a source that has none of its own; and see `eased`."""
    budget = context.budget
    for place, document in enumerate(documents, 1):
        yield document
        if budget.burst_left < BURST_STEPS_MAX and budget.rest():
            yield None
        if not place % PAUSE_DOCUMENTS:
            yield None


def eased(documents: Iterable[Document | None], context: Context) -> Items:
    """Return the documents, each with a burst of its own, and pauses where expressions have looped for long."""
    budget = context.budget
    for document in documents:
        yield document
        if budget.burst_left < BURST_STEPS_MAX and budget.rest():
            yield None


def rested(documents: Iterable[Document | None]) -> Items:
    """Return the documents with a pause before each that is large, for it may be long since the last one."""
    is_flat = _HOLDING.isdisjoint
    for document in documents:
        # Most documents are known to be small by a look at their members, for which nothing is called.
        if document is None or (len(document) <= PAUSE_VALUES and is_flat(map(type, document.values()))):
            yield document
        elif is_large(document):
            yield None
            # Not held here while what is made of it goes through other stages.
            handed_on = [document]
            del document
            yield handed_on.pop()
        else:
            yield document


def is_large(document: Document) -> bool:
    """Return whether a document is made of so many values that going through all of them is work."""
    left = PAUSE_VALUES
    waiting: list[Value] = [document]
    for value in waiting:
        left -= len(value)
        if left < 0:
            return True
        waiting += [part for part in (value.values() if type(value) is dict else value) if type(part) in _HOLDING]
    return False


class Meter:
    """Counts the bytes of JSON that a stage holds."""

    __slots__ = ("_left", "_pointer")

    def __init__(self, pointer: str) -> None:
        self._left = PIPELINE_BYTES_MAX
        self._pointer = pointer

    def hold(self, value: Value) -> None:
        """Count a value.

        Raises:
            QueryOverBudget: the stage holds more than it may.
        """
        self.hold_bytes(len(orjson.dumps(value)))

    def hold_number(self, _value: Value) -> None:
        """Count a value of which only a number is held.

        Raises:
            QueryOverBudget: the stage holds more than it may.
        """
        self._left -= _NUMBER_BYTES
        if self._left < 0:
            self._refuse()

    def release(self, value: Value) -> None:
        """Give back what a value that is dropped was counted with."""
        self._left += len(orjson.dumps(value))

    def hold_bytes(self, size: int) -> None:
        """Count bytes, or give them back when negative.

        Raises:
            QueryOverBudget: the stage holds more than it may.
        """
        self._left -= size
        if self._left < 0:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise QueryOverBudget(
            f"the stage would hold more than {PIPELINE_BYTES_MAX} bytes of documents; filter or limit before it",
            pointer=self._pointer,
            mongo_code=MEMORY_EXCEEDED,
        )


def frame_of(context: Context, *expressions: Expression) -> Frame:
    """Return a frame in which these expressions can be evaluated, one after the other: set its slot 0 before."""
    return [None, context, *max((expression.slots for expression in expressions), key=len, default=[])]


def evaluator(expression: Expression, context: Context) -> Callable[[Document], Value]:
    """Return a function of a document. It has one frame: what it is evaluated in must not call it again."""
    run, frame = expression.run, frame_of(context, expression)

    def evaluate(document: Document) -> Value:
        frame[0] = document
        return run(frame)

    return evaluate
