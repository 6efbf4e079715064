"""Every operator by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raftdoc.query.expressions import (
    arithmetic,
    arrays,
    convert,
    date_arithmetic,
    dates,
    iteration,
    logic,
    numeric,
    objects,
    regexes,
    sets,
    statistics,
    strings,
)
from raftdoc.query.expressions.compile import FAILED_TO_PARSE
from raftdoc.query.expressions.scope import Builder, Code, Scope, Value, fault


def _refused(reason: str) -> Builder:
    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        raise fault(reason, pointer, FAILED_TO_PARSE)

    return build


OPERATORS: Final[Mapping[str, Builder]] = {
    **arithmetic.OPERATORS,
    **arrays.OPERATORS,
    **convert.OPERATORS,
    **date_arithmetic.OPERATORS,
    **dates.OPERATORS,
    **iteration.OPERATORS,
    **logic.OPERATORS,
    **numeric.OPERATORS,
    **objects.OPERATORS,
    **regexes.OPERATORS,
    **sets.OPERATORS,
    **statistics.OPERATORS,
    **strings.OPERATORS,
    "$function": _refused("raftdoc runs no code of its users on the server"),
    "$accumulator": _refused("raftdoc runs no code of its users on the server"),
}
