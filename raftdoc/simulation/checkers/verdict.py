"""What a checker says."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    OK = "ok"
    UNKNOWN = "unknown"
    """It cannot be told; counts as a failure."""
    ILLEGAL = "illegal"


class Report(NamedTuple):
    checker: str
    verdict: Verdict
    details: tuple[str, ...] = ()
    """In words, the most telling first; bounded."""


DETAILS_MAX = 20
_RANK = {Verdict.OK: 0, Verdict.UNKNOWN: 1, Verdict.ILLEGAL: 2}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest of the verdicts; OK when there is none."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.OK)


def report(checker: str, illegal: list[str], unknown: list[str] | None = None) -> Report:
    """Return a report of what was found illegal, and of what cannot be told."""
    unknown = unknown or []
    verdict = Verdict.ILLEGAL if illegal else Verdict.UNKNOWN if unknown else Verdict.OK
    return Report(checker, verdict, tuple([*illegal, *unknown][:DETAILS_MAX]))
