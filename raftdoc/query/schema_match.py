"""Whether a value meets a schema. A keyword about one type holds for every value of another."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from raftdoc.document.path import is_object
from raftdoc.document.tagged import decimal_of
from raftdoc.document.value import JsonValue, sort_key
from raftdoc.query.literals import is_number
from raftdoc.query.schema import Dependency, Schema
from raftdoc.query.type_names import NUMBER_TYPES, type_name


def schema_test(schema: Schema) -> Callable[[JsonValue], bool]:
    """Return the predicate of a schema over whole documents."""
    return lambda value: _meets(schema, value)


def _meets(schema: Schema, value: JsonValue) -> bool:
    return (
        _has_type(schema, value)
        and _is_listed(schema, value)
        and (not is_number(value) or _meets_number(schema, value))
        and (not isinstance(value, str) or _meets_string(schema, value))
        and (not isinstance(value, list) or _meets_array(schema, value))
        and (not isinstance(value, dict) or not is_object(value) or _meets_object(schema, value))
        and _meets_combinations(schema, value)
    )


def _has_type(schema: Schema, value: JsonValue) -> bool:
    if schema.types is None:
        return True
    name = type_name(value)
    return name in schema.types or ("number" in schema.types and name in NUMBER_TYPES)


def _is_listed(schema: Schema, value: JsonValue) -> bool:
    return schema.enum is None or sort_key(value) in schema.enum


def _exact(value: JsonValue) -> Decimal | int:
    if isinstance(value, dict):
        return decimal_of(value)
    assert isinstance(value, int | float), type(value)
    return value if isinstance(value, int) else Decimal(repr(value))


def _meets_number(schema: Schema, value: JsonValue) -> bool:
    number = _exact(value)
    if schema.minimum is not None:
        minimum = _exact(schema.minimum)
        if number < minimum or (schema.minimum_is_exclusive and number == minimum):
            return False
    if schema.maximum is not None:
        maximum = _exact(schema.maximum)
        if number > maximum or (schema.maximum_is_exclusive and number == maximum):
            return False
    return schema.multiple_of is None or _is_multiple(number, _exact(schema.multiple_of))


def _is_multiple(number: Decimal | int, divisor: Decimal | int) -> bool:
    """Exactly, in integers: the quotient of two decimals may have more digits than any precision."""
    if not Decimal(number).is_finite():
        return False
    top, bottom = number.as_integer_ratio(), divisor.as_integer_ratio()
    return (top[0] * bottom[1]) % (top[1] * bottom[0]) == 0


def _is_within(count: int, bounds: tuple[int | None, int | None]) -> bool:
    least, most = bounds
    return (least is None or count >= least) and (most is None or count <= most)


def _meets_string(schema: Schema, value: str) -> bool:
    return _is_within(len(value), schema.length) and (schema.pattern is None or schema.pattern.matches(value))


def _meets_array(schema: Schema, value: list[JsonValue]) -> bool:
    if not _is_within(len(value), schema.item_count):
        return False
    if schema.items_are_unique and len({sort_key(item) for item in value}) != len(value):
        return False
    if schema.items is not None and not all(_meets(schema.items, item) for item in value):
        return False
    return schema.first_items is None or _meets_first(schema, schema.first_items, value)


def _meets_first(schema: Schema, first: tuple[Schema, ...], value: list[JsonValue]) -> bool:
    if not all(_meets(inner, item) for inner, item in zip(first, value, strict=False)):
        return False
    return all(_meets_rest(schema.additional_items, item) for item in value[len(first) :])


def _meets_rest(rest: Schema | bool, value: JsonValue) -> bool:
    return rest if isinstance(rest, bool) else _meets(rest, value)


def _meets_object(schema: Schema, value: dict[str, JsonValue]) -> bool:
    if not _is_within(len(value), schema.property_count):
        return False
    if not all(name in value for name in schema.required):
        return False
    if not all(_meets_dependency(dependency, value) for dependency in schema.dependencies):
        return False
    return all(_meets_property(schema, name, member) for name, member in value.items())


def _meets_dependency(dependency: Dependency, value: dict[str, JsonValue]) -> bool:
    if dependency.name not in value:
        return True
    if dependency.schema is not None:
        return _meets(dependency.schema, value)
    return all(name in value for name in dependency.names)


def _meets_property(schema: Schema, name: str, member: JsonValue) -> bool:
    inner = schema.properties.get(name)
    if inner is not None and not _meets(inner, member):
        return False
    patterns = [matched for pattern, matched in schema.patterns if pattern.matches(name)]
    if not all(_meets(matched, member) for matched in patterns):
        return False
    return inner is not None or bool(patterns) or _meets_rest(schema.additional_properties, member)


def _meets_combinations(schema: Schema, value: JsonValue) -> bool:
    return (
        all(_meets(inner, value) for inner in schema.all_of)
        and (not schema.any_of or any(_meets(inner, value) for inner in schema.any_of))
        and (not schema.one_of or sum(_meets(inner, value) for inner in schema.one_of) == 1)
        and (schema.excluded is None or not _meets(schema.excluded, value))
    )
