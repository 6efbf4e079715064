"""A filter as the caller wrote it to the nodes of `ast`; whatever is wrong is refused here, with its pointer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftdoc.document.path import split_path
from raftdoc.document.tagged import tag_of
from raftdoc.document.value import JsonValue
from raftdoc.limits import FILTER_DEPTH_MAX
from raftdoc.query.allowance import value_count
from raftdoc.query.ast import Always, And, Compare, ExprMatch, Node, Nor, Or, SchemaMatch
from raftdoc.query.filter_operators import TYPE_MISMATCH, FieldReader, fail, is_operators
from raftdoc.query.literals import check_literal, child_pointer
from raftdoc.query.schema import parse_schema

if TYPE_CHECKING:
    from raftdoc.query.expressions.scope import Reading

_LISTS: Final[dict[str, Callable[[tuple[Node, ...]], Node]]] = {"$and": And, "$or": Or, "$nor": Nor}
_SERVER_CODE: Final = frozenset({"$where", "$function", "$accumulator"})


class FilterParser:
    """One parse; `variables` are the names that `$expr` may use as `$$name`."""

    def __init__(self, variables: frozenset[str], reading: Reading | None) -> None:
        self._variables = variables
        self._reading = reading
        self._field = FieldReader(lambda spec, pointer, depth: self.parse(spec, pointer, depth, is_root=False))

    def parse(self, spec: JsonValue, pointer: str, depth: int = 0, *, is_root: bool = True) -> Node:
        """Return the conjunction of the members of spec.

        Raises:
            InvalidQuery: the filter, or any part of it, is none.
        """
        if not isinstance(spec, dict) or tag_of(spec) is not None:
            fail("a filter is an object", pointer, TYPE_MISMATCH)
        if depth > FILTER_DEPTH_MAX:
            fail(f"a filter is at most {FILTER_DEPTH_MAX} levels deep", pointer)
        children = []
        for name, value in spec.items():
            node = self._member(name, value, child_pointer(pointer, name), depth, is_root=is_root)
            if node is not None:
                children.append(node)
        if not children:
            return Always(True)
        return children[0] if len(children) == 1 else And(tuple(children))

    def _member(self, name: str, value: JsonValue, pointer: str, depth: int, *, is_root: bool) -> Node | None:
        if name.startswith("$"):
            return self._top_level(name, value, pointer, depth, is_root=is_root)
        path = split_path(name, pointer)
        if is_operators(value):
            assert isinstance(value, dict), type(value)
            if list(value) == ["$comment"]:
                fail("'$comment' is no operator of a field", pointer)
            return self._field.read(path, value, pointer, depth)
        check_literal(value, pointer)
        return Compare(path, "$eq", value)

    def _top_level(self, name: str, value: JsonValue, pointer: str, depth: int, *, is_root: bool) -> Node | None:
        if (make := _LISTS.get(name)) is not None:
            return self._list(make, value, pointer, depth, is_root=is_root)
        if name == "$comment":
            return None
        if name == "$jsonSchema":
            return SchemaMatch(parse_schema(value, pointer), value_count(value))
        if name == "$expr":
            return self._expression(value, pointer, is_root=is_root)
        if name in _SERVER_CODE:
            fail(f"{name} would run code on the server, which raftdoc never does", pointer)
        return fail(f"{name!r} is no operator at the top of a filter", pointer)

    def _expression(self, value: JsonValue, pointer: str, *, is_root: bool) -> Node:
        if not is_root:
            fail("$expr stands at the top of a filter, not in $elemMatch", pointer)
        from raftdoc.query.expression import parse_expression
        from raftdoc.query.expressions.scope import Reading

        if self._reading is None:
            self._reading = Reading()
        return ExprMatch(parse_expression(value, pointer, variables=self._variables, reading=self._reading))

    def _list(
        self, make: Callable[[tuple[Node, ...]], Node], value: JsonValue, pointer: str, depth: int, *, is_root: bool
    ) -> Node:
        if not isinstance(value, list) or not value:
            fail("an array of one filter at least is needed", pointer)
        children = []
        for place, spec in enumerate(value):
            at = child_pointer(pointer, str(place))
            if not isinstance(spec, dict):
                fail("each element is a filter, which is an object", at)
            children.append(self.parse(spec, at, depth + 1, is_root=is_root))
        return make(tuple(children))
