"""What counts as turns of loops though nothing loops: operators that look at every part of a value, however deep.

Values of a few parts are free. So are operators that take a whole array or text at once; see `compile` for these.
"""

from __future__ import annotations

from typing import Any, Final

from raftdoc.document.value import sort_key
from raftdoc.query.context import Context
from raftdoc.query.expressions.scope import FREE_SIZE, Value
from raftdoc.query.extent import check_extent
from raftdoc.query.order import order_key

COMPARED_PER_STEP: Final = 2
"""Parts that become the key of a comparison: some 0.2 to 0.5 us each."""
SCANNED_PER_STEP: Final = 8
"""Elements that are looked at one by one."""


def charge_parts(value: Value, context: Context, pointer: str) -> None:
    """Count a value that is compared.

    Raises:
        InvalidQuery: it is too large or too deep, or the expressions have taken too much.
    """
    kind = type(value)
    if kind is list or kind is dict:
        part_count = check_extent(value, pointer)
        if part_count > FREE_SIZE:
            context.charge(part_count // COMPARED_PER_STEP, pointer)


def charge_elements(array: list[Value], context: Context, pointer: str) -> None:
    """Count an array that is gone through.

    Raises:
        InvalidQuery: the expressions have taken too much.
    """
    if len(array) > FREE_SIZE:
        context.charge(len(array) // SCANNED_PER_STEP, pointer)


def charged_key(value: Value, context: Context, pointer: str) -> tuple[Any, ...]:
    """Return the `order_key` of a value that counts.

    Raises:
        InvalidQuery: it is too large or too deep, or the expressions have taken too much.
    """
    kind = type(value)
    if kind is not list and kind is not dict:
        return order_key(value)
    part_count = check_extent(value)
    if part_count > FREE_SIZE:
        context.charge(part_count // COMPARED_PER_STEP, pointer)
    return sort_key(value)
