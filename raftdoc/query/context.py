"""What an evaluation knows beside the document: the moment, outer variables, chance, and how much it may do.

    context = Context(now={"$date": "2024-05-01T12:00:00Z"}, seed=7)

Nothing here reads a clock or draws a number: whoever proposes a write or begins a read fixes both, so that every
replica and every retry computes the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from raftdoc.document import JsonValue
from raftdoc.errors import QueryOverBudget

STEPS_MAX: Final = 50_000_000
"""Turns of `$map`, `$filter`, `$reduce` and their like in one request: some ten seconds of a core."""
BURST_STEPS_MAX: Final = 200_000
"""The same of all expressions over one document, during which nothing else gets its turn: some 40 ms."""
PAUSE_STEPS: Final = 2000
"""After so many the next document waits for a pause: some 0.5 ms."""

EXCEEDED_MEMORY_LIMIT: Final = 146

_WORD: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15

EPOCH: Final[JsonValue] = {"$date": "1970-01-01T00:00:00Z"}


class CollectionReader(Protocol):
    """Other collections of the same database, as one snapshot."""

    def documents(self, collection: str) -> Iterable[dict[str, JsonValue]]:
        """Iterate over a collection in the order of `_id`; a collection that does not exist is empty."""
        ...


@dataclass(slots=True)
class Budget:
    """Shared by all contexts of one request."""

    steps_left: int = STEPS_MAX
    burst_left: int = BURST_STEPS_MAX
    pause_at: int = STEPS_MAX - PAUSE_STEPS
    """How many are left when a pause is due."""

    def rest(self) -> bool:
        """Give the next document a burst of its own; return whether a pause is due before it."""
        self.burst_left = BURST_STEPS_MAX
        if self.steps_left >= self.pause_at:
            return False
        self.pause_at = self.steps_left - PAUSE_STEPS
        return True


@dataclass(slots=True)
class Context:
    now: JsonValue = field(default_factory=lambda: EPOCH)
    """`$$NOW`, a tagged date."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Values of the names that the expressions were parsed with (`let` of a request or of `$lookup`)."""
    seed: int = 0
    """What `$rand` and `$sample` are drawn from."""
    reader: CollectionReader | None = None
    """For `$lookup` and `$unionWith`; None: the request reads one collection only."""
    budget: Budget = field(default_factory=Budget)

    def charge(self, steps: int, pointer: str) -> None:
        """Count turns of a loop inside an expression.

        Raises:
            QueryOverBudget: the request, or what is done with one document, has made too many.
        """
        budget = self.budget
        budget.steps_left -= steps
        budget.burst_left -= steps
        if budget.steps_left < 0 or budget.burst_left < 0:
            raise QueryOverBudget(
                "the expression loops more often than it may",
                pointer=pointer,
                mongo_code=EXCEEDED_MEMORY_LIMIT,
            )

    def draw(self) -> int:
        """Return the next 64 random bits of this request (SplitMix64)."""
        self.seed = (self.seed + _GOLDEN) & _WORD
        word = self.seed
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
        return word ^ (word >> 31)

    def with_variables(self, values: Mapping[str, Any]) -> Context:
        """Return a context in which these names have these values, the others as they are."""
        return Context(
            now=self.now,
            variables={**self.variables, **values},
            seed=self.draw(),
            reader=self.reader,
            budget=self.budget,
        )
