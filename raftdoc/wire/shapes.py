"""Checks built once, at import, from the annotations of the message classes.

A check takes what msgpack made of a peer's bytes and returns it as the annotated type, or raises WireError.
The types are few: int and the NewTypes over it, bool, str and the NewTypes over it, bytes, None as the other
half of a union, `tuple[X, ...]`, `tuple[X, Y]`, NamedTuple, and Any. `True` is not an int here. A NewType over
int counts or identifies something, so it is never negative; a plain int may be any that msgpack has.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from types import NoneType, UnionType
from typing import Any, Final, NewType, TypeAlias, Union, get_args, get_origin, get_type_hints

from raftdoc.ids import GroupId
from raftdoc.wire.frames import WireError

Check: TypeAlias = Callable[[Any], Any]

GROUP_STOP: Final = 1 << 32
"""A group's number is four bytes in every storage key."""
LEAVES: Final = (int, bool, str, bytes)


def check_of(annotation: Any) -> Check:
    """Return the check for a type of the list above."""
    if annotation is Any:
        return _anything
    if annotation is GroupId:
        return check_group
    origin = get_origin(annotation)
    if origin is Union or origin is UnionType:
        return _optional(annotation)
    if origin is tuple:
        return _array(get_args(annotation))
    if hasattr(annotation, "_fields"):
        return _message(annotation)
    return _leaf(_leaf_type(annotation), is_number=_is_number(annotation))


def check_group(value: Any) -> GroupId:
    """Return value as a group's number."""
    if type(value) is not int or not 0 <= value < GROUP_STOP:
        raise WireError(f"{describe(value)} is no group")
    return GroupId(value)


def _leaf_type(annotation: Any) -> type:
    cls = annotation.__supertype__ if isinstance(annotation, NewType) else annotation
    assert isinstance(cls, type), annotation
    assert cls in LEAVES, annotation
    return cls


def _is_number(annotation: Any) -> bool:
    return isinstance(annotation, NewType) and annotation.__supertype__ is int


def _anything(value: Any) -> Any:
    return value


def _leaf(cls: type, *, is_number: bool) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not cls:
            raise WireError(f"{describe(value)} where {cls.__name__} belongs")
        return value

    def check_number(value: Any) -> Any:
        if type(value) is not int or value < 0:
            raise WireError(f"{describe(value)} where a number from 0 belongs")
        return value

    return check_number if is_number else check


def _optional(annotation: Any) -> Check:
    inner = [part for part in get_args(annotation) if part is not NoneType]
    assert len(inner) == 1, annotation
    check_inner = check_of(inner[0])

    def check(value: Any) -> Any:
        return None if value is None else check_inner(value)

    return check


def _array(parts: tuple[Any, ...]) -> Check:
    if parts[-1] is Ellipsis:
        return _elements(parts[0])
    return _slow(tuple, parts, "array")


def _elements(part: Any) -> Check:
    """Check an array of any length: all numbers at once, and arrays of numbers of one length, else one by one."""
    check_element, is_plain = check_of(part), _glance_of(part)

    def check(value: Any) -> Any:
        if type(value) is not tuple:
            raise WireError(f"{describe(value)} where an array belongs")
        if not value or is_plain(value):
            return value
        return tuple([check_element(element) for element in value])

    return check


def _glance_of(part: Any) -> Callable[[tuple[Any, ...]], bool]:
    """Return what tells of an array of such parts, not empty, that nothing in it needs a closer look."""
    if _is_number(part):
        stop = GROUP_STOP if part is GroupId else None
        return lambda value: _are_numbers(value, stop)
    parts = get_args(part) if get_origin(part) is tuple else ()
    if not parts or not all(map(_is_number, parts)):
        return lambda value: False
    stops = [GROUP_STOP if each is GroupId else None for each in parts]

    def is_plain(value: tuple[Any, ...]) -> bool:
        if set(map(type, value)) != {tuple} or set(map(len, value)) != {len(stops)}:
            return False
        return all(map(_are_numbers, zip(*value, strict=True), stops))

    return is_plain


def _are_numbers(value: tuple[Any, ...], stop: int | None) -> bool:
    return set(map(type, value)) == {int} and min(value) >= 0 and (stop is None or max(value) < stop)


def _slow(make: Callable[[list[Any]], Any], parts: tuple[Any, ...], name: str) -> Check:
    """Check field by field."""
    checks = [check_of(part) for part in parts]

    def check(value: Any) -> Any:
        if type(value) is not tuple or len(value) != len(checks):
            raise WireError(f"{describe(value)} where {name} of {len(checks)} fields belongs")
        return make([check_field(field) for check_field, field in zip(checks, value, strict=True)])

    return check


def _message(cls: Any) -> Check:
    """Check a NamedTuple: all types at once, all signs at once, and only what is left field by field.

    What does not pass at a glance is looked at field by field, which allows None or says what is wrong.
    """
    hints = get_type_hints(cls)
    parts = tuple(hints[field] for field in cls._fields)
    slow = _slow(cls._make, parts, cls.__name__)
    types = tuple(_type_of(part) for part in parts)
    numbers = [position for position, part in enumerate(parts) if _is_number(part)]
    lowest = _lowest_of(numbers)
    nested = [(position, check_of(part)) for position, part in enumerate(parts) if not _is_leaf(part)]
    make = cls._make

    def check(value: Any) -> Any:
        if type(value) is not tuple or tuple(map(type, value)) != types or lowest(value) < 0:
            return slow(value)
        if not nested:
            return make(value)
        fields = list(value)
        for position, check_field in nested:
            fields[position] = check_field(fields[position])
        return make(fields)

    return check


def _is_leaf(part: Any) -> bool:
    """Return whether type and sign say all there is to check."""
    return part is not GroupId and (part in LEAVES or isinstance(part, NewType))


def _type_of(part: Any) -> type | None:
    """Return the type that msgpack gives this field; None where it may differ, which makes every check slow."""
    if _is_leaf(part) or part is GroupId:
        return _leaf_type(part)
    return tuple if get_origin(part) is tuple or hasattr(part, "_fields") else None


def _lowest_of(positions: list[int]) -> Callable[[Any], int]:
    """Return what gives the lowest of the numbers at these positions."""
    if not positions:
        return lambda _: 0
    pick = itemgetter(*positions)
    return pick if len(positions) == 1 else lambda value: min(pick(value))


def describe(value: Any) -> str:
    """Describe a foreign value in few bytes."""
    if type(value) is int:
        return str(value)
    return f"array of {len(value)}" if type(value) is tuple else type(value).__name__
