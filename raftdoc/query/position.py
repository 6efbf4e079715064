"""Which element of which array made a document match: what the positional `$` stands for.

The outermost array on a path counts. `$nor` and `$not` find no place, and `$or` only where it says what one `$in`
would; the array as a whole, `$size` and an index in the path name no element. Of several conditions on one array
the last counts, in the order in which the dialect tries them: `$eq` first, a lower bound after an upper one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from raftdoc.document.path import Path, Reached, values_at
from raftdoc.document.value import JsonValue
from raftdoc.query.allowance import Allowance
from raftdoc.query.ast import (
    All,
    Always,
    And,
    Bits,
    Compare,
    ElemMatch,
    Exists,
    ExprMatch,
    In,
    Mod,
    Node,
    Nor,
    Not,
    Or,
    Regex,
    SchemaMatch,
    Size,
    TypeIs,
)
from raftdoc.query.matcher import element_finder, leaf_test

if TYPE_CHECKING:
    from raftdoc.query.context import Context

_TURNS: Final = {
    name: turn
    for turn, name in enumerate(
        ("And", "ElemMatch", "$eq", "$lte", "$lt", "$gt", "$gte", "Regex", "Mod", "Exists", "In", "Bits", "TypeIs")
    )
}

Places: TypeAlias = dict[Path, int]
"""Array path to place, in the order in which the conditions found them."""
Count: TypeAlias = Callable[[int], None]


def find_positions(root: Node, document: dict[str, JsonValue], context: Context | None, count: Count) -> Places:
    """Return the places that the conditions of a matching document found; `count` is told of the elements seen."""
    search = _Search(document, context, Allowance(document), {}, count)
    _visit(root, search)
    return search.places


def place_at(places: Places, array_path: Path) -> int | None:
    """Return the place in the array at array_path.

    Where no condition looked into that array, the place that a condition found in another; None where none did.
    """
    return places.get(array_path, next(reversed(places.values()), None))


class _Search(NamedTuple):
    document: dict[str, JsonValue]
    context: Context | None
    allowance: Allowance
    places: Places
    seen: Count


def _visit(node: Node, search: _Search) -> None:
    places = search.places
    match node:
        case And(children) | All(_, children):
            for child in sorted(children, key=_turn):
                _visit(child, search)
        case Or([Compare(path, "$eq"), *_] as children):
            values = [child.value for child in children if isinstance(child, Compare) and _is_equal(child, path)]
            if len(values) == len(children):
                _visit(In(path, tuple(values)), search)
        case Always() | Or() | Nor() | Not() | ExprMatch() | SchemaMatch() | Size():
            return
        case _:
            found = _place(node, search)
            if found is not None:
                path, place = found
                places.pop(path, None)
                places[path] = place


def _is_equal(node: Compare, path: Path) -> bool:
    return node.op == "$eq" and node.path == path


def _turn(node: Node) -> int:
    """Return when the dialect tries a condition of a conjunction."""
    name = node.op if isinstance(node, Compare) else type(node).__name__
    return _TURNS.get(name, len(_TURNS))


def _place(
    node: Compare | In | Exists | TypeIs | Regex | ElemMatch | Mod | Bits,
    search: _Search,
) -> tuple[Path, int] | None:
    path, array = node.path, cast("JsonValue", search.document)
    for depth, name in enumerate(path):
        if not isinstance(array, dict) or name not in array:
            return None
        array = array[name]
        if isinstance(array, list):
            place = _place_in(node, array, path[depth + 1 :], search)
            search.seen(len(array) if place is None else place + 1)
            return None if place is None else (path[: depth + 1], place)
    return None


def _place_in(
    node: Compare | In | Exists | TypeIs | Regex | ElemMatch | Mod | Bits,
    array: list[JsonValue],
    rest: Path,
    search: _Search,
) -> int | None:
    context, allowance = search.context, search.allowance
    if not rest and isinstance(node, ElemMatch):
        return element_finder(node, context, allowance)(array)
    test, expands = leaf_test(node, context, allowance)
    for place, element in enumerate(array):
        if not rest:
            reached: list[Reached] = [element]
        elif isinstance(element, dict):
            reached = values_at(element, rest, expand_leaf=expands, spend=allowance.spend)
        else:
            continue
        if any(map(test, reached)):
            return place
    return None
