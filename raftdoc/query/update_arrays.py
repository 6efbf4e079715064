"""Operators on an array: `$push $addToSet $pop $pull $pullAll`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from raftdoc.document.path import MISSING, Reached, get_path, is_object
from raftdoc.document.value import JsonValue, sort_key
from raftdoc.errors import InvalidQuery, UpdateRefused
from raftdoc.query.allowance import value_count
from raftdoc.query.filter import Filter, parse_filter
from raftdoc.query.sort import SORT_FIELDS_MAX
from raftdoc.query.update_moment import BAD_VALUE, Moment
from raftdoc.query.update_tree import FAILED_TO_PARSE, TYPE_MISMATCH, Act

_CLAUSES: Final = frozenset({"$each", "$position", "$slice", "$sort"})

Check = Callable[[JsonValue, str], None]
IsUnwanted = Callable[[JsonValue, Moment], bool]
Rearrange = Callable[[list[JsonValue], Moment], list[JsonValue]]


def _fault(detail: str, pointer: str, mongo_code: int = BAD_VALUE) -> InvalidQuery:
    return InvalidQuery(detail, pointer=pointer, mongo_code=mongo_code)


def _array(operator: str, value: Reached, pointer: str, mongo_code: int = BAD_VALUE) -> list[JsonValue]:
    """Return the array that an operator works on.

    Raises:
        UpdateRefused: another value stands there.
    """
    if isinstance(value, list):
        return value
    detail = f"{operator} needs an array, and another value stands there"
    raise UpdateRefused(detail, pointer=pointer, mongo_code=mongo_code)


def _integer(value: JsonValue) -> int | None:
    """Return a whole number, which may be written as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        return None
    return int(value)


# $push --------------------------------------------------------------------------------------------


def parse_push(argument: JsonValue, pointer: str, check: Check) -> Act:
    """Return what `$push` does. `check` refuses what cannot be stored.

    Raises:
        InvalidQuery: a clause that does not exist, or has another argument.
    """
    if not isinstance(argument, dict) or "$each" not in argument:
        check(argument, pointer)
        return _push([argument], None, [], pointer)
    for name in argument:
        if name not in _CLAUSES:
            raise _fault(f"$push has no clause {name!r}", f"{pointer}/{name}")
    each = argument["$each"]
    if not isinstance(each, list):
        raise _fault("$each takes an array", f"{pointer}/$each")
    check(each, f"{pointer}/$each")
    position = _clause(argument, "$position", pointer)
    rearrange: list[Rearrange] = []
    if "$sort" in argument:
        rearrange.append(_parse_sort(argument["$sort"], f"{pointer}/$sort"))
    length = _clause(argument, "$slice", pointer)
    if length is not None:
        rearrange.append(lambda array, _moment: array[:length] if length >= 0 else array[length:])
    return _push(each, position, rearrange, pointer)


def _clause(argument: dict[str, JsonValue], name: str, pointer: str) -> int | None:
    if name not in argument:
        return None
    number = _integer(argument[name])
    if number is None:
        raise _fault(f"{name} takes an integer", f"{pointer}/{name}")
    return number


def _push(each: list[JsonValue], position: int | None, rearrange: Sequence[Rearrange], pointer: str) -> Act:
    def act(value: Reached, moment: Moment) -> Reached:
        old: list[JsonValue] = [] if value is MISSING else _array("$push", value, pointer)
        new = list(old)
        at = len(new) if position is None else position
        new[at:at] = each
        for step in rearrange:
            new = step(new, moment)
        # The elements are the very same objects, so comparing them by identity is exact and cheap.
        is_same = value is not MISSING and len(new) == len(old) and all(map(_is, new, old))
        return value if is_same else new

    return act


def _is(left: JsonValue, right: JsonValue) -> bool:
    return left is right


def _parse_sort(argument: JsonValue, pointer: str) -> Rearrange:
    """Return what `$sort` does: of whole elements (1, -1), or by paths in them."""
    if not isinstance(argument, dict):
        direction = _direction(argument, pointer)
        return lambda array, _moment: sorted(array, key=sort_key, reverse=direction < 0)
    if not argument:
        raise _fault("$sort names at least one path", pointer)
    if len(argument) > SORT_FIELDS_MAX:
        raise _fault(f"$sort names at most {SORT_FIELDS_MAX} paths", pointer)
    steps: list[tuple[tuple[str, ...], bool]] = []
    for text, value in argument.items():
        path = tuple(text.split("."))
        if "" in path or text.startswith("$"):
            raise _fault(f"{text!r} is no path to sort by", f"{pointer}/{text}")
        steps.append((path, _direction(value, f"{pointer}/{text}") < 0))
    steps.reverse()

    def rearrange(array: list[JsonValue], moment: Moment) -> list[JsonValue]:
        new = list(array)
        for path, is_descending in steps:
            found = [_value_at(element, path) for element in new]
            moment.charge(sum(map(value_count, found)), pointer)
            new = _sorted_by(new, found, is_descending=is_descending)
        return new

    return rearrange


def _direction(value: JsonValue, pointer: str) -> int:
    number = _integer(value)
    if number not in (1, -1):
        raise _fault("$sort takes 1 or -1, or an object of paths with 1 or -1", pointer)
    return number


def _sorted_by(array: list[JsonValue], values: list[JsonValue], *, is_descending: bool) -> list[JsonValue]:
    """Return an array in the order of these values of its elements."""
    keys = list(map(sort_key, values))
    # Stable, also in reverse: the later paths decide among equals.
    return [array[place] for place in sorted(range(len(array)), key=keys.__getitem__, reverse=is_descending)]


def _value_at(element: JsonValue, path: tuple[str, ...]) -> JsonValue:
    found = get_path(element, path) if is_object(element) else MISSING
    return None if found is MISSING else found


# $addToSet ----------------------------------------------------------------------------------------


def parse_add_to_set(argument: JsonValue, pointer: str, check: Check) -> Act:
    """Return what `$addToSet` does.

    Raises:
        InvalidQuery: `$each` takes no array, or stands beside something else.
    """
    each: list[JsonValue] = [argument]
    if isinstance(argument, dict) and next(iter(argument), None) == "$each":
        given = argument["$each"]
        if not isinstance(given, list):
            raise _fault("$each takes an array", f"{pointer}/$each", TYPE_MISMATCH)
        if len(argument) > 1:
            raise _fault("$addToSet has no other clause than $each", pointer)
        each = given
    check(each, pointer)

    def act(value: Reached, moment: Moment) -> Reached:
        old: list[JsonValue] = [] if value is MISSING else _array("$addToSet", value, pointer)
        known = {sort_key(element) for element in old}
        new = list(old)
        for element in each:
            key = sort_key(element)
            if key not in known:
                known.add(key)
                new.append(element)
        return value if value is not MISSING and len(new) == len(old) else new

    return act


# $pop, $pull, $pullAll ----------------------------------------------------------------------------


def parse_pop(argument: JsonValue, pointer: str) -> Act:
    """Return what `$pop` does: 1 takes the last element away, -1 the first.

    Raises:
        InvalidQuery: another argument.
    """
    if _integer(argument) not in (1, -1):
        raise _fault("$pop takes 1 or -1", pointer, FAILED_TO_PARSE)
    takes_last = argument == 1

    def act(value: Reached, moment: Moment) -> Reached:
        if value is MISSING:
            return value
        array = _array("$pop", value, pointer, TYPE_MISMATCH)
        if not array:
            return value
        return array[:-1] if takes_last else array[1:]

    return act


def parse_pull_all(argument: JsonValue, pointer: str) -> Act:
    """Return what `$pullAll` does.

    Raises:
        InvalidQuery: the argument is no array.
    """
    if not isinstance(argument, list):
        raise _fault("$pullAll takes an array", pointer)
    unwanted = {sort_key(element) for element in argument}
    return _cull("$pullAll", pointer, lambda element, _: sort_key(element) in unwanted)


def parse_pull(argument: JsonValue, pointer: str) -> tuple[Act, Filter | None]:
    """Return what `$pull` does, and the filter it uses: for conditions on a value, or on the members of an object.

    Raises:
        InvalidQuery: the condition is no filter.
    """
    if not isinstance(argument, dict) or (argument and not is_object(argument)):
        key = sort_key(argument)
        return _cull("$pull", pointer, lambda element, _: sort_key(element) == key), None
    if next(iter(argument), "").startswith("$") and not _is_logic(argument):
        condition = parse_filter({"element": argument}, pointer)
        return _cull("$pull", pointer, _meets_as_value(condition, pointer), condition), condition
    condition = parse_filter(argument, pointer)

    def is_unwanted(element: JsonValue, moment: Moment) -> bool:
        return isinstance(element, dict) and is_object(element) and moment.meets(element, condition, pointer)

    return _cull("$pull", pointer, is_unwanted, condition), condition


def _meets_as_value(condition: Filter, pointer: str) -> IsUnwanted:
    return lambda element, moment: moment.meets({"element": element}, condition, pointer)


def _is_logic(argument: dict[str, JsonValue]) -> bool:
    return next(iter(argument)) in ("$and", "$or", "$nor", "$expr")


def _cull(operator: str, pointer: str, is_unwanted: IsUnwanted, condition: Filter | None = None) -> Act:
    tests = 1 if condition is None else condition.condition_count

    def act(value: Reached, moment: Moment) -> Reached:
        if value is MISSING:
            return value
        array = _array(operator, value, pointer)
        moment.charge(tests * len(array), pointer)
        left = [element for element in array if not is_unwanted(element, moment)]
        return value if len(left) == len(array) else left

    return act
