"""Updates: operators, a replacement, or a pipeline, from one document to the next. Pure and deterministic.

    update = parse_update({"$inc": {"n": 1}}, None, "/update")
    changed = update.apply(document, filter=filter, context=context, is_insert=False)
    changed is document                           # nothing changed

The clock comes in the context; an update holds no other choice. `is_portable` says whether it may run inside apply.
A fault of the update itself is InvalidQuery, when it is parsed; a document that does not take it is UpdateRefused.
"""

from __future__ import annotations

from typing import Any, Final

from raftdoc.document.document import encode_value
from raftdoc.document.path import MISSING, Path, Reached
from raftdoc.document.tagged import tag_of
from raftdoc.document.value import JsonValue, compare
from raftdoc.errors import InvalidQuery, UpdateRefused
from raftdoc.limits import DOCUMENT_BYTES_MAX
from raftdoc.query.aggregate import Pipeline
from raftdoc.query.allowance import value_count
from raftdoc.query.context import Context
from raftdoc.query.filter import Filter
from raftdoc.query.parts import PartCount
from raftdoc.query.update_arrays import parse_add_to_set, parse_pop, parse_pull, parse_pull_all, parse_push
from raftdoc.query.update_guard import is_portable
from raftdoc.query.update_moment import BAD_VALUE, Moment
from raftdoc.query.update_numbers import (
    is_identical,
    kept,
    parse_arithmetic,
    parse_bit,
    parse_current_date,
    parse_extreme,
)
from raftdoc.query.update_paths import check_all_used, is_dynamic, parse_array_filters, parse_update_path
from raftdoc.query.update_pipeline import parse_update_pipeline, run_update_pipeline
from raftdoc.query.update_tree import (
    DOLLAR_NAME,
    FAILED_TO_PARSE,
    IMMUTABLE,
    Act,
    Effect,
    Leaf,
    ObjectNode,
    add_leaf,
    apply_node,
    value_at_source,
)

_EFFECTS: Final = {
    "$pop": Effect.EXPECTS,
    "$pull": Effect.EXPECTS,
    "$pullAll": Effect.EXPECTS,
    "$unset": Effect.LENIENT,
}
_WRITES: Final = frozenset({"$set", "$setOnInsert"})
_ARITHMETIC: Final = frozenset({"$inc", "$mul"})
_EXTREMES: Final = frozenset({"$min", "$max"})
_READ: Final = frozenset({"$pull", "$pullAll"})
"""Those whose arguments are more than stored."""
_COMPARED: Final = _EXTREMES | {"$push", "$addToSet"}
"""Those that look at all of their argument for every value."""

OPERATORS: Final = (
    _WRITES
    | _ARITHMETIC
    | _EXTREMES
    | {"$unset", "$rename", "$currentDate", "$bit", "$push", "$addToSet", "$pop", "$pull", "$pullAll"}
)


class Update:
    """A parsed update. It keeps no state: one may be applied to any number of documents."""

    __slots__ = ("_content", "is_portable", "is_replacement", "uses_position")

    def __init__(self, content: ObjectNode | dict[str, JsonValue] | Pipeline, *, portable: bool) -> None:
        self._content = content
        self.is_replacement = isinstance(content, dict)
        self.is_portable = portable
        """Whether it may run inside apply."""
        self.uses_position = isinstance(content, ObjectNode) and _has_positional(content)
        """Whether a path has `$`: then applying it needs the filter."""

    def apply(
        self,
        document: dict[str, JsonValue],
        *,
        filter: Filter | None,
        context: Context,
        is_insert: bool,
        bytes_max: int = DOCUMENT_BYTES_MAX,
    ) -> dict[str, JsonValue]:
        """Return the new document, `_id` first; the same object where nothing changes.

        The document is one that the filter matches, or what an upsert starts from, which may lack its `_id`. The new
        one may be over bytes_max, but not by what is done to the elements of its arrays.

        Raises:
            UpdateRefused: it cannot be done to this document.
            TooLarge: the elements alone are over bytes_max.
        """
        content = self._content
        if isinstance(content, dict):
            changed = _replaced(document, content)
        elif isinstance(content, Pipeline):
            changed = _run(content, document, context)
        else:
            moment = Moment(document, is_insert, context, None if is_insert else filter, bytes_max)
            result = apply_node(content, document, (), moment)
            assert isinstance(result, dict), type(result)
            changed = result
        return _with_same_id(document, changed)


def parse_update(spec: JsonValue, array_filters: JsonValue = None, pointer: str = "") -> Update:
    """Return the update that a request describes.

    Raises:
        InvalidQuery: it is none; the pointer leads to the fault, `array_filters` stands beside the update.
    """
    beside = pointer.rpartition("/")[0] + "/array_filters"
    if isinstance(spec, list):
        _check_no_array_filters(array_filters, beside, "a pipeline")
        return Update(parse_update_pipeline(spec, pointer), portable=False)
    if not isinstance(spec, dict):
        detail = "an update is an object of operators, a document, or a pipeline"
        raise InvalidQuery(detail, pointer=pointer, mongo_code=FAILED_TO_PARSE)
    if not next(iter(spec), "").startswith("$"):
        _check_no_array_filters(array_filters, beside, "a replacement")
        check_storable(spec, pointer)
        return Update(spec, portable=True)
    _check_parts(spec, array_filters, pointer)
    return _parse_operators(spec, parse_array_filters(array_filters, beside), pointer, beside)


def _check_parts(spec: dict[str, JsonValue], array_filters: JsonValue, pointer: str) -> None:
    """Check that the paths and conditions are not too many; what is stored does not count, each name of a path does.

    Raises:
        InvalidQuery: they are.
    """
    count = PartCount(pointer)
    count.take(array_filters)
    for operator, arguments in spec.items():
        if isinstance(arguments, dict):
            paths = [*arguments, *_targets(arguments)] if operator == "$rename" else list(arguments)
            count.take_parts(sum([path.count(".") for path in paths]))
        if operator in _READ:
            count.take(arguments)
        else:
            count.take_parts(len(arguments) if isinstance(arguments, dict) else 1)


def _targets(arguments: dict[str, JsonValue]) -> list[str]:
    return [target for target in arguments.values() if isinstance(target, str)]


def _check_no_array_filters(array_filters: JsonValue, pointer: str, what: str) -> None:
    if array_filters is not None:
        raise InvalidQuery(f"{what} takes no array filters", pointer=pointer, mongo_code=FAILED_TO_PARSE)


def _parse_operators(
    spec: dict[str, JsonValue], filters: dict[str, Filter], pointer: str, filters_pointer: str
) -> Update:
    parser = _Parser(filters)
    for operator, arguments in spec.items():
        place = f"{pointer}/{_token(operator)}"
        if operator not in OPERATORS:
            detail = f"there is no update operator {operator!r}; there are {', '.join(sorted(OPERATORS))}"
            raise InvalidQuery(detail, pointer=place, mongo_code=FAILED_TO_PARSE)
        if not isinstance(arguments, dict):
            detail = f"{operator} takes an object of paths"
            raise InvalidQuery(detail, pointer=place, mongo_code=FAILED_TO_PARSE)
        for text, argument in arguments.items():
            parser.add(operator, text, argument, f"{place}/{_token(text)}")
    check_all_used(filters, parser.used, filters_pointer)
    conditions = [*filters.values(), *parser.conditions]
    return Update(parser.root, portable=all(is_portable(condition.root) for condition in conditions))


class _Parser:
    """Builds the tree of one update."""

    def __init__(self, filters: dict[str, Filter]) -> None:
        self.root = ObjectNode()
        self.used: set[str] = set()
        """Identifiers of array filters."""
        self.conditions: list[Filter] = []
        self._filters = filters

    def add(self, operator: str, text: str, argument: JsonValue, pointer: str) -> None:
        path = self._path(text, pointer)
        if operator == "$rename":
            self._add_rename(path, argument, pointer)
            return
        act, effect = self._act(operator, argument, pointer), _EFFECTS.get(operator, Effect.CREATES)
        weight = value_count(argument) if operator in _COMPARED else 1
        add_leaf(self.root, path, Leaf(operator, pointer, act, effect, weight=weight), self._filters)

    def _path(self, text: str, pointer: str) -> Path:
        path = parse_update_path(text, pointer, self._filters)
        self.used |= {name[2:-1] for name in path if name.startswith("$[")}
        return path

    def _act(self, operator: str, argument: JsonValue, pointer: str) -> Act:
        if operator in _WRITES:
            check_storable(argument, pointer)
            return lambda value, moment: kept(value, argument)
        if operator in _ARITHMETIC:
            return parse_arithmetic(operator, argument, pointer)
        if operator in _EXTREMES:
            return parse_extreme(operator, argument, pointer, check_storable)
        match operator:
            case "$unset":
                return _removed
            case "$push":
                return parse_push(argument, pointer, check_storable)
            case "$addToSet":
                return parse_add_to_set(argument, pointer, check_storable)
            case "$pop":
                return parse_pop(argument, pointer)
            case "$pullAll":
                return parse_pull_all(argument, pointer)
            case "$bit":
                return parse_bit(argument, pointer)
            case "$currentDate":
                return parse_current_date(argument, pointer)
        assert operator == "$pull", operator
        act, condition = parse_pull(argument, pointer)
        if condition is not None:
            self.conditions.append(condition)
        return act

    def _add_rename(self, source: Path, argument: JsonValue, pointer: str) -> None:
        """Put both ends of a `$rename` into the tree: what is taken away here is set there."""
        if not isinstance(argument, str):
            raise InvalidQuery("$rename takes the new path", pointer=pointer, mongo_code=BAD_VALUE)
        target = self._path(argument, pointer)
        if is_dynamic(source) or is_dynamic(target):
            raise InvalidQuery("paths of $rename are without '$'", pointer=pointer, mongo_code=BAD_VALUE)
        if "_id" in (source[0], target[0]):
            raise InvalidQuery("$rename cannot change _id", pointer=pointer, mongo_code=IMMUTABLE)
        shorter = min(len(source), len(target))
        if source[:shorter] == target[:shorter]:
            detail = "source and target of $rename are on one path"
            raise InvalidQuery(detail, pointer=pointer, mongo_code=BAD_VALUE)
        moved = Leaf("$rename", pointer, _ignored, source=source)

        def move(value: Reached, moment: Moment) -> Reached:
            return value_at_source(moved, moment)

        add_leaf(self.root, target, Leaf("$rename", pointer, move, source=source), self._filters)
        add_leaf(self.root, source, Leaf("$rename", pointer, _removed, Effect.LENIENT), self._filters)


def _removed(value: Reached, moment: Moment) -> Reached:
    return MISSING


def _ignored(value: Reached, moment: Moment) -> Reached:
    return value


def _has_positional(node: ObjectNode) -> bool:
    found = node.positional is not None
    return found or any(_has_positional_below(child) for child in node.children.values())


def _has_positional_below(node: Any) -> bool:
    if isinstance(node, Leaf):
        return False
    if isinstance(node, ObjectNode):
        return _has_positional(node)
    return any(_has_positional_below(child) for child in node.children.values())


def _replaced(document: dict[str, JsonValue], replacement: dict[str, JsonValue]) -> dict[str, JsonValue]:
    changed = dict(replacement)
    if "_id" in document and "_id" not in replacement:
        changed = {"_id": document["_id"], **changed}
    return document if is_identical(document, changed) else changed


def _run(pipeline: Pipeline, document: dict[str, JsonValue], context: Context) -> dict[str, JsonValue]:
    made = run_update_pipeline(pipeline, document, context)
    if "_id" in document and "_id" not in made:
        made = {"_id": document["_id"], **made}
    # Expressions can nest deeper than JSON is written.
    encode_value(made)
    return document if is_identical(document, made) else made


def _with_same_id(before: dict[str, JsonValue], after: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the document with its `_id` first, and as it was written before.

    Raises:
        UpdateRefused: the `_id` is another now, or gone.
    """
    if after is before or "_id" not in before:
        return after
    id_ = before["_id"]
    if "_id" not in after or compare(after["_id"], id_):
        raise UpdateRefused("an update cannot change _id", pointer="/update", mongo_code=IMMUTABLE)
    if next(iter(after)) == "_id" and after["_id"] is id_:
        return after
    return {"_id": id_, **{name: value for name, value in after.items() if name != "_id"}}


def check_storable(value: JsonValue, pointer: str) -> None:
    """Refuse names that begin with `$`, but those of tagged scalars. Their content is checked with the document.

    Raises:
        InvalidQuery: of the number 52.
    """
    if isinstance(value, list):
        for element in value:
            check_storable(element, pointer)
    elif isinstance(value, dict) and tag_of(value) is None:
        for name, member in value.items():
            if name.startswith("$"):
                detail = f"the name {name!r} begins with '$' and cannot be stored"
                raise InvalidQuery(detail, pointer=pointer, mongo_code=DOLLAR_NAME)
            check_storable(member, pointer)


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
