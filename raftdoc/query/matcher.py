"""From the nodes of a filter to one closure over a document.

A subject is the document, or inside `$elemMatch` one element. A leaf looks along its path into a subject that is
an object; with the empty path it tests the subject itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from raftdoc.document.path import MISSING, Path, Reached, is_object, values_at
from raftdoc.document.value import JsonValue
from raftdoc.limits import FILTER_TESTS_MAX
from raftdoc.query.allowance import REACHED_TESTS, Allowance, condition_count, value_count
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
from raftdoc.query.context import Context
from raftdoc.query.predicates import (
    Test,
    bits_test,
    compare_test,
    exists_test,
    in_test,
    is_truthy,
    mod_test,
    regex_test,
    type_test,
)
from raftdoc.query.schema_match import schema_test

if TYPE_CHECKING:
    from raftdoc.query.expression import Expression
    from raftdoc.query.schema import Schema

Predicate: TypeAlias = Callable[[JsonValue], bool]


UNCOUNTED_WEIGHT: Final = 16
"""Of a schema: a short one works in proportion to the document."""


def compile_filter(root: Node, context: Context | None, allowance: Allowance) -> Predicate:
    """Return the predicate of a whole filter, which begins to count anew with each document."""
    if isinstance(root, Compare | In | ElemMatch) and len(root.path) == 1:
        return _alone_at_name(root, context, allowance)
    nodes = root.children if isinstance(root, And) else (root,)
    return _bounded([compile_node(node, context, allowance) for node in nodes], allowance)


def _bounded(predicates: list[Predicate], allowance: Allowance) -> Predicate:
    """Return the conjunction of all, counted."""
    first, rest = predicates[0], _all_of(predicates[1:]) if len(predicates) > 1 else None

    def bounded(subject: JsonValue) -> bool:
        allowance.document = subject
        allowance.left = FILTER_TESTS_MAX
        if allowance.is_used:
            allowance.reset()
        return first(subject) and (rest is None or rest(subject))

    return bounded


def _alone_at_name(node: Compare | In | ElemMatch, context: Context | None, allowance: Allowance) -> Predicate:
    """Return the predicate of a filter of one condition: where a scalar stands there is nothing to count."""
    test, expands = leaf_test(node, context, allowance)
    (name,) = node.path

    def predicate(subject: JsonValue) -> bool:
        value: Reached = subject.get(name, MISSING)  # type: ignore[union-attr]
        kind = type(value)
        if kind is list or kind is dict:
            allowance.document = subject
            allowance.left = FILTER_TESTS_MAX
            if allowance.is_used:
                allowance.reset()
            if expands and kind is list:
                return _meets_in_array(value, test, allowance)  # type: ignore[arg-type]
        return test(value)

    return predicate


def _meets_in_array(array: list[JsonValue], test: Test, allowance: Allowance) -> bool:
    """Return whether an element meets the test, or the array itself."""
    allowance.left -= len(array)
    if allowance.left < 0:
        allowance.exceed()
    return any(map(test, array)) or test(array)


def compile_node(node: Node, context: Context | None, allowance: Allowance) -> Predicate:
    """Return the predicate of a node; the context is what `$expr` sees besides the document."""
    match node:
        case Always(result):
            return lambda _subject: result
        case And(children):
            return _all_of([compile_node(child, context, allowance) for child in children])
        case Or(children):
            return _any_of([compile_node(child, context, allowance) for child in children])
        case Nor(children):
            return _negated(_any_of([compile_node(child, context, allowance) for child in children]))
        case Not(child):
            return _negated(compile_node(child, context, allowance))
        case All(_, children):
            return _all_of([compile_node(child, context, allowance) for child in children])
        case ExprMatch(expression):
            return _expression_predicate(expression, context)
        case SchemaMatch(schema, weight):
            return schema_test(schema) if weight <= UNCOUNTED_WEIGHT else _bounded_schema(schema, weight, allowance)
        case _:
            return _leaf(node, context, allowance)


def _all_of(predicates: list[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    if len(predicates) == 2:
        first, second = predicates
        return lambda subject: first(subject) and second(subject)

    return lambda subject: all(predicate(subject) for predicate in predicates)


def _any_of(predicates: list[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    if len(predicates) == 2:
        first, second = predicates
        return lambda subject: first(subject) or second(subject)
    return lambda subject: any(predicate(subject) for predicate in predicates)


def _negated(predicate: Predicate) -> Predicate:
    return lambda subject: not predicate(subject)


def _bounded_schema(schema: Schema, weight: int, allowance: Allowance) -> Predicate:
    meets = schema_test(schema)

    def predicate(subject: JsonValue) -> bool:
        allowance.spend(weight * value_count(subject))
        return meets(subject)

    return predicate


def _expression_predicate(expression: Expression, context: Context | None) -> Predicate:
    from raftdoc.query.expression import evaluate

    def predicate(subject: JsonValue) -> bool:
        # Without a context each document has a budget of its own.
        value = evaluate(expression, subject, Context() if context is None else context)
        return value is not MISSING and is_truthy(value)

    return predicate


def leaf_test(
    node: Compare | In | Exists | TypeIs | Regex | ElemMatch | Size | Mod | Bits,
    context: Context | None,
    allowance: Allowance,
) -> tuple[Test, bool]:
    """Return the test of a leaf, and whether an array at the end of its path is taken apart for it."""
    match node:
        case Compare():
            return compare_test(node, allowance), True
        case In():
            return in_test(node, allowance), True
        case Exists():
            return exists_test, True
        case TypeIs():
            return type_test(node), True
        case Regex():
            return regex_test(node, allowance), True
        case Mod():
            return mod_test(node, allowance), True
        case Bits():
            return bits_test(node, allowance), True
        case Size(_, size):
            return lambda reached: isinstance(reached, list) and len(reached) == size, False
        case ElemMatch():
            return _element_test(node, context, allowance), False


def _element_test(node: ElemMatch, context: Context | None, allowance: Allowance) -> Test:
    place = element_finder(node, context, allowance)
    return lambda reached: isinstance(reached, list) and place(reached) is not None


def element_finder(
    node: ElemMatch, context: Context | None, allowance: Allowance
) -> Callable[[list[JsonValue]], int | None]:
    """Return what finds the place of the first element that meets the child of `$elemMatch`."""
    predicate, is_value = compile_node(node.child, context, allowance), node.is_value
    weight = max(1, condition_count(node.child))

    def find(array: list[JsonValue]) -> int | None:
        allowance.left -= weight * len(array)
        if allowance.left < 0:
            allowance.exceed()
        for place, element in enumerate(array):
            subject = element
            if not is_value:
                if isinstance(element, list):
                    allowance.spend(len(element))
                    # An array is looked into as an object whose names are its indices.
                    subject = {str(index): member for index, member in enumerate(element)}
                elif not is_object(element):
                    continue
            if predicate(subject):
                return place
        return None

    return find


def _leaf(
    node: Compare | In | Exists | TypeIs | Regex | ElemMatch | Size | Mod | Bits,
    context: Context | None,
    allowance: Allowance,
) -> Predicate:
    test, expands = leaf_test(node, context, allowance)
    path = node.path
    if not path:
        return test
    if len(path) == 1:
        return _at_name(path[0], test, allowance, expands=expands)
    return _at_path(path, test, allowance, expands=expands)


def _at_name(name: str, test: Test, allowance: Allowance, *, expands: bool) -> Predicate:
    def predicate(subject: JsonValue) -> bool:
        value: Reached = subject.get(name, MISSING)  # type: ignore[union-attr]
        return _meets_in_array(value, test, allowance) if expands and type(value) is list else test(value)

    return predicate


def _at_path(path: Path, test: Test, allowance: Allowance, *, expands: bool) -> Predicate:
    *parents, last = path
    spend = allowance.spend

    def predicate(subject: JsonValue) -> bool:
        value: Reached = subject
        for name in parents:
            if type(value) is not dict:
                break
            value = value.get(name, MISSING)
        if type(value) is dict:
            value = value.get(last, MISSING)
            if type(value) is not list or not expands:
                return test(value)
        return through_arrays(subject)

    def through_arrays(subject: JsonValue) -> bool:
        reached = values_at(subject, path, expand_leaf=expands, spend=spend)  # type: ignore[arg-type]
        allowance.left -= REACHED_TESTS * len(reached)
        if allowance.left < 0:
            allowance.exceed()
        return any(map(test, reached))

    # A name that begins with `$` must not lead into a tagged scalar: only values_at looks for that.
    return through_arrays if any(name.startswith("$") for name in path) else predicate
