"""`$jsonSchema`: a schema of draft 4 with the dialect's `bsonType`, parsed and checked.

Known and refused: `$ref $schema default definitions format id`. Known and without effect: `title description`.
`type` takes JSON's names, `bsonType` the dialect's; `integer` is no type here, as in the dialect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from raftdoc.document.tagged import tag_of
from raftdoc.document.value import JsonValue, sort_key
from raftdoc.errors import InvalidQuery
from raftdoc.query.literals import as_whole_number, check_literal, child_pointer, is_number
from raftdoc.query.regex import Pattern, compile_pattern
from raftdoc.query.type_names import TYPE_NAMES

TYPE_MISMATCH: Final = 14
FAILED_TO_PARSE: Final = 9
BAD_VALUE: Final = 2

_JSON_TYPES: Final = {
    "array": "array",
    "boolean": "bool",
    "null": "null",
    "number": "number",
    "object": "object",
    "string": "string",
}
_REFUSED: Final = frozenset({"$ref", "$schema", "default", "definitions", "format", "id"})


@dataclass(frozen=True, slots=True)
class Dependency:
    """Where `name` is there, so are the names, or the whole object meets the schema."""

    name: str
    names: tuple[str, ...] = ()
    schema: Schema | None = None


@dataclass(slots=True)
class Schema:
    """One level of a schema; None and empty mean: no such keyword. Not changed after `parse_schema`."""

    types: frozenset[str] | None = None
    enum: frozenset[tuple[object, ...]] | None = None
    minimum: JsonValue = None
    maximum: JsonValue = None
    minimum_is_exclusive: bool = False
    maximum_is_exclusive: bool = False
    multiple_of: JsonValue = None
    length: tuple[int | None, int | None] = (None, None)
    pattern: Pattern | None = None
    item_count: tuple[int | None, int | None] = (None, None)
    items_are_unique: bool = False
    items: Schema | None = None
    first_items: tuple[Schema, ...] | None = None
    additional_items: Schema | bool = True
    property_count: tuple[int | None, int | None] = (None, None)
    properties: dict[str, Schema] = field(default_factory=dict)
    patterns: tuple[tuple[Pattern, Schema], ...] = ()
    additional_properties: Schema | bool = True
    required: tuple[str, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    all_of: tuple[Schema, ...] = ()
    any_of: tuple[Schema, ...] = ()
    one_of: tuple[Schema, ...] = ()
    excluded: Schema | None = None


def parse_schema(spec: JsonValue, pointer: str) -> Schema:
    """Return the schema that spec says.

    Raises:
        InvalidQuery: an unknown or refused keyword, or a keyword whose value is not what it takes.
    """
    _need(isinstance(spec, dict), "a schema is an object", pointer)
    assert isinstance(spec, dict), type(spec)
    schema = Schema()
    for keyword, value in spec.items():
        at = child_pointer(pointer, keyword)
        if keyword in _REFUSED:
            _fail(f"the keyword {keyword} is not supported", at, FAILED_TO_PARSE)
        if keyword not in _KEYWORDS:
            _fail(f"{keyword!r} is no keyword of a schema", at, FAILED_TO_PARSE)
        _KEYWORDS[keyword](schema, value, at)
    if "type" in spec and "bsonType" in spec:
        _fail("a schema has one of type and bsonType", pointer, FAILED_TO_PARSE)
    for bound in ("minimum", "maximum"):
        exclusive = "exclusive" + bound.capitalize()
        if exclusive in spec and bound not in spec:
            _fail(f"{exclusive} needs {bound}", child_pointer(pointer, exclusive), FAILED_TO_PARSE)
    return schema


def _fail(detail: str, pointer: str, mongo_code: int) -> NoReturn:
    raise InvalidQuery(detail, pointer=pointer, mongo_code=mongo_code)


def _need(condition: bool, detail: str, pointer: str, mongo_code: int = TYPE_MISMATCH) -> None:
    if not condition:
        _fail(detail, pointer, mongo_code)


def _types(names: frozenset[str] | dict[str, str]) -> Callable[[Schema, JsonValue, str], None]:
    def read(schema: Schema, value: JsonValue, pointer: str) -> None:
        wanted = value if isinstance(value, list) else [value]
        _need(bool(wanted), "a list of types has one at least", pointer, FAILED_TO_PARSE)
        _need(all(isinstance(name, str) for name in wanted), "a type is a string", pointer)
        for name in wanted:
            if name == "integer" and isinstance(names, dict):
                _fail("'integer' is not a type here: use bsonType", pointer, FAILED_TO_PARSE)
            _need(name in names, f"{name!r} is no type", pointer, BAD_VALUE)
        _need(len(set(map(str, wanted))) == len(wanted), "a type is named twice", pointer, FAILED_TO_PARSE)
        known = [names[str(name)] if isinstance(names, dict) else str(name) for name in wanted]
        schema.types = frozenset(known)

    return read


def _enum(schema: Schema, value: JsonValue, pointer: str) -> None:
    _need(isinstance(value, list), "enum is an array", pointer)
    assert isinstance(value, list), type(value)
    _need(bool(value), "enum has one value at least", pointer, FAILED_TO_PARSE)
    check_literal(value, pointer)
    schema.enum = frozenset(map(sort_key, value))
    _need(len(schema.enum) == len(value), "a value stands twice", pointer, FAILED_TO_PARSE)


def _number(attribute: str) -> Callable[[Schema, JsonValue, str], None]:
    def read(schema: Schema, value: JsonValue, pointer: str) -> None:
        _need(is_number(value), "a number is needed", pointer)
        check_literal(value, pointer)
        if attribute == "multiple_of":
            _need(as_positive(value), "multipleOf is above zero", pointer, FAILED_TO_PARSE)
        setattr(schema, attribute, value)

    return read


def as_positive(value: JsonValue) -> bool:
    """Return whether a number is above zero and finite."""
    number = float(value["$numberDecimal"]) if isinstance(value, dict) else value  # type: ignore[arg-type]
    return isinstance(number, int | float) and 0 < number < float("inf")


def _flag(attribute: str) -> Callable[[Schema, JsonValue, str], None]:
    def read(schema: Schema, value: JsonValue, pointer: str) -> None:
        _need(isinstance(value, bool), "true or false is needed", pointer)
        setattr(schema, attribute, value)

    return read


def _count(attribute: str, side: int) -> Callable[[Schema, JsonValue, str], None]:
    def read(schema: Schema, value: JsonValue, pointer: str) -> None:
        whole = as_whole_number(value)
        if whole is None or whole < 0:
            _fail("an integer of at least 0 is needed", pointer, FAILED_TO_PARSE)
        bounds = list(getattr(schema, attribute))
        bounds[side] = whole
        setattr(schema, attribute, tuple(bounds))

    return read


def _pattern(schema: Schema, value: JsonValue, pointer: str) -> None:
    _need(isinstance(value, str), "a pattern is a string", pointer)
    schema.pattern = compile_pattern(str(value), "", pointer, finds_spans=False)


def _items(schema: Schema, value: JsonValue, pointer: str) -> None:
    if isinstance(value, list):
        schema.first_items = tuple(
            parse_schema(item, child_pointer(pointer, str(place))) for place, item in enumerate(value)
        )
    else:
        schema.items = parse_schema(value, pointer)


def _schema_or_flag(attribute: str) -> Callable[[Schema, JsonValue, str], None]:
    def read(schema: Schema, value: JsonValue, pointer: str) -> None:
        _need(isinstance(value, bool) or _is_plain_object(value), "a schema, true or false is needed", pointer)
        setattr(schema, attribute, value if isinstance(value, bool) else parse_schema(value, pointer))

    return read


def _is_plain_object(value: JsonValue) -> bool:
    return isinstance(value, dict) and tag_of(value) is None


def _members(value: JsonValue, pointer: str) -> dict[str, JsonValue]:
    _need(isinstance(value, dict), "an object is needed", pointer)
    assert isinstance(value, dict), type(value)
    return value


def _properties(schema: Schema, value: JsonValue, pointer: str) -> None:
    for name, inner in _members(value, pointer).items():
        schema.properties[name] = parse_schema(inner, child_pointer(pointer, name))


def _pattern_properties(schema: Schema, value: JsonValue, pointer: str) -> None:
    schema.patterns = tuple(
        (
            compile_pattern(source, "", child_pointer(pointer, source), mongo_code=BAD_VALUE, finds_spans=False),
            parse_schema(inner, child_pointer(pointer, source)),
        )
        for source, inner in _members(value, pointer).items()
    )


def _names(value: JsonValue, pointer: str) -> tuple[str, ...]:
    _need(isinstance(value, list), "an array of names is needed", pointer)
    assert isinstance(value, list), type(value)
    _need(bool(value), "one name at least is needed", pointer, FAILED_TO_PARSE)
    _need(all(isinstance(name, str) for name in value), "a name is a string", pointer)
    names = tuple(map(str, value))
    _need(len(set(names)) == len(names), "a name stands twice", pointer, FAILED_TO_PARSE)
    return names


def _required(schema: Schema, value: JsonValue, pointer: str) -> None:
    schema.required = _names(value, pointer)


def _dependencies(schema: Schema, value: JsonValue, pointer: str) -> None:
    found = []
    for name, wanted in _members(value, pointer).items():
        at = child_pointer(pointer, name)
        _need(isinstance(wanted, list | dict), "an array of names or a schema is needed", at)
        if isinstance(wanted, dict):
            found.append(Dependency(name, schema=parse_schema(wanted, at)))
        else:
            found.append(Dependency(name, names=_names(wanted, at)))
    schema.dependencies = tuple(found)


def _schemas(attribute: str) -> Callable[[Schema, JsonValue, str], None]:
    def read(schema: Schema, value: JsonValue, pointer: str) -> None:
        _need(isinstance(value, list), "an array of schemas is needed", pointer)
        assert isinstance(value, list), type(value)
        _need(bool(value), "one schema at least is needed", pointer, BAD_VALUE)
        parsed = [parse_schema(inner, child_pointer(pointer, str(place))) for place, inner in enumerate(value)]
        setattr(schema, attribute, tuple(parsed))

    return read


def _not(schema: Schema, value: JsonValue, pointer: str) -> None:
    schema.excluded = parse_schema(value, pointer)


def _annotation(_schema: Schema, value: JsonValue, pointer: str) -> None:
    _need(isinstance(value, str), "a string is needed", pointer)


_KEYWORDS: Final[dict[str, Callable[[Schema, JsonValue, str], None]]] = {
    "type": _types(_JSON_TYPES),
    "bsonType": _types(TYPE_NAMES),
    "enum": _enum,
    "minimum": _number("minimum"),
    "maximum": _number("maximum"),
    "exclusiveMinimum": _flag("minimum_is_exclusive"),
    "exclusiveMaximum": _flag("maximum_is_exclusive"),
    "multipleOf": _number("multiple_of"),
    "minLength": _count("length", 0),
    "maxLength": _count("length", 1),
    "pattern": _pattern,
    "minItems": _count("item_count", 0),
    "maxItems": _count("item_count", 1),
    "uniqueItems": _flag("items_are_unique"),
    "items": _items,
    "additionalItems": _schema_or_flag("additional_items"),
    "minProperties": _count("property_count", 0),
    "maxProperties": _count("property_count", 1),
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _schema_or_flag("additional_properties"),
    "required": _required,
    "dependencies": _dependencies,
    "allOf": _schemas("all_of"),
    "anyOf": _schemas("any_of"),
    "oneOf": _schemas("one_of"),
    "not": _not,
    "title": _annotation,
    "description": _annotation,
}
