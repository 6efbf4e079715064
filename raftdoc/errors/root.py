"""What all errors have: a stable code, whether to try again, and what became of a write."""

from __future__ import annotations

from typing import ClassVar, Literal

OutcomeKind = Literal["applied", "not_applied", "unknown"]


class RaftdocError(Exception):
    """The root of the tree. `pointer` is a JSON Pointer to the fault where there is one."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, pointer: str | None = None, outcome: OutcomeKind = "not_applied") -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.outcome: OutcomeKind = outcome
        self.replayed = False
        """Whether it was recorded under an idempotency key, and this is the second answer."""
