"""The paths of an update as one tree, and how the tree is applied to a document.

    {"$set": {"a.b": 1, "a.c.$[x]": 2}}          a ─ b: leaf
                                                   └ c ─ $[x]: leaf

One tree, because two paths may not touch the same place, and because every object and array on the way is copied once.
What does not change is not copied: the same object comes back. Names are visited in their order, numbers by value, so
new members come to stand in an order that does not depend on how the update was written.

Source: the update nodes of the dialect's own implementation, as its recorded cases show them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from raftdoc.document.document import encode_value
from raftdoc.document.path import MISSING, Path, Reached, get_path, is_index, is_object
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery, UpdateRefused
from raftdoc.query.filter import Filter
from raftdoc.query.update_moment import BAD_VALUE, PADDING_MAX, Moment

FAILED_TO_PARSE: Final = 9
TYPE_MISMATCH: Final = 14
PATH_NOT_VIABLE: Final = 28
CONFLICT: Final = 40
DOLLAR_NAME: Final = 52
EMPTY_NAME: Final = 56
IMMUTABLE: Final = 66
"""The dialect's numbers."""

POSITIONAL: Final = "$"
EVERY: Final = "$[]"


class Effect(Enum):
    """What an operator does where there is nothing yet."""

    CREATES = "creates"
    EXPECTS = "expects"
    """Nothing; but the place has to be one that could be."""
    LENIENT = "lenient"
    """Nothing."""


Act: TypeAlias = Callable[[Reached, Moment], Reached]
"""From the value at a place to the value to stand there; the same object where nothing changes, MISSING removes."""


@dataclass(frozen=True, slots=True)
class Leaf:
    operator: str
    pointer: str
    act: Act
    effect: Effect = Effect.CREATES
    source: Path | None = None
    """Of `$rename`, at its target."""
    weight: int = 1
    """How many values the operator looks at, beside the one that stands there."""

    def is_active(self, moment: Moment) -> bool:
        if self.operator == "$setOnInsert":
            return moment.is_insert
        return self.source is None or self._has_source(moment.root)

    def _has_source(self, root: dict[str, JsonValue]) -> bool:
        """Return whether `$rename` has something to move.

        Raises:
            UpdateRefused: the source is an element of an array, or below a scalar.
        """
        assert self.source is not None
        value: Reached = root
        for name in self.source:
            if isinstance(value, list):
                raise UpdateRefused("the source of $rename is in an array", pointer=self.pointer, mongo_code=BAD_VALUE)
            if not is_object(value):
                raise _not_viable(self, self.source, value)
            assert isinstance(value, dict)
            value = value.get(name, MISSING)
            if value is MISSING:
                return False
        return True


@dataclass(slots=True)
class ObjectNode:
    """Names, and places in arrays."""

    children: dict[str, Node] = field(default_factory=dict)
    positional: Node | None = None
    ordered: list[tuple[str, Node]] | None = None
    """The children in their order, once the tree is complete."""


@dataclass(slots=True)
class ArrayNode:
    """Elements by identifier; `$[]` is the empty one."""

    filters: dict[str, Filter]
    children: dict[str, Node] = field(default_factory=dict)


Node: TypeAlias = Leaf | ObjectNode | ArrayNode


# Building -----------------------------------------------------------------------------------------


def add_leaf(root: ObjectNode, path: Path, leaf: Leaf, filters: dict[str, Filter]) -> None:
    """Put a leaf into the tree.

    Raises:
        InvalidQuery: another path touches the same place.
    """
    node: ObjectNode | ArrayNode = root
    for depth, name in enumerate(path):
        is_last = depth + 1 == len(path)
        fresh: Node = leaf if is_last else _node_for(path[depth + 1], filters)
        present = _child(node, name)
        if present is None:
            _set_child(node, name, fresh)
            present = fresh
        elif is_last or type(present) is not type(fresh):
            shown, at = ".".join(path), ".".join(path[: depth + 1])
            detail = f"updating {shown!r} conflicts with another update at {at!r}"
            raise InvalidQuery(detail, pointer=leaf.pointer, mongo_code=CONFLICT)
        if isinstance(present, Leaf):
            return
        node = present


def is_array_step(name: str) -> bool:
    """Return whether a component of a path is `$[]` or `$[identifier]`."""
    return name.startswith("$[")


def _node_for(next_name: str, filters: dict[str, Filter]) -> ObjectNode | ArrayNode:
    return ArrayNode(filters) if is_array_step(next_name) else ObjectNode()


def _child(node: ObjectNode | ArrayNode, name: str) -> Node | None:
    if isinstance(node, ArrayNode):
        return node.children.get(name[2:-1])
    return node.positional if name == POSITIONAL else node.children.get(name)


def _set_child(node: ObjectNode | ArrayNode, name: str, child: Node) -> None:
    if isinstance(node, ArrayNode):
        node.children[name[2:-1]] = child
    elif name == POSITIONAL:
        node.positional = child
    else:
        node.children[name] = child


def _merged(left: Node, right: Node, path: Path) -> Node:
    """Return one node for two that turned out to mean the same element."""
    if isinstance(left, ObjectNode) and isinstance(right, ObjectNode):
        children = _merged_children(left.children, right.children, path)
        positional = left.positional or right.positional
        if left.positional is not None and right.positional is not None:
            positional = _merged(left.positional, right.positional, (*path, POSITIONAL))
        return ObjectNode(children, positional)
    if isinstance(left, ArrayNode) and isinstance(right, ArrayNode):
        return ArrayNode(left.filters, _merged_children(left.children, right.children, path))
    leaf = first_leaf(left)
    raise UpdateRefused(f"two updates meet at {'.'.join(path)!r}", pointer=leaf.pointer, mongo_code=CONFLICT)


def _merged_children(left: dict[str, Node], right: dict[str, Node], path: Path) -> dict[str, Node]:
    merged = dict(left)
    for name, node in right.items():
        merged[name] = _merged(merged[name], node, (*path, name)) if name in merged else node
    return merged


def leaves(node: Node) -> list[Leaf]:
    """Return all leaves below a node."""
    if isinstance(node, Leaf):
        return [node]
    below = [leaf for child in node.children.values() for leaf in leaves(child)]
    if isinstance(node, ObjectNode) and node.positional is not None:
        below += leaves(node.positional)
    return below


def first_leaf(node: Node) -> Leaf:
    return leaves(node)[0]


def _weight(node: Node) -> int:
    """Return how much there is to do for each element that a node stands for."""
    if isinstance(node, Leaf):
        return node.weight
    below = sum(map(_weight, node.children.values()))
    if isinstance(node, ObjectNode) and node.positional is not None:
        below += _weight(node.positional)
    return 1 + below


# Applying -----------------------------------------------------------------------------------------


def apply_node(node: Node, value: Reached, path: Path, moment: Moment) -> Reached:
    """Return what a node makes of the value at path; the same object where nothing changes.

    Raises:
        UpdateRefused: an operator cannot be done here.
    """
    if isinstance(node, Leaf):
        return node.act(value, moment) if node.is_active(moment) else value
    if isinstance(node, ArrayNode):
        return _apply_to_elements(node, value, path, moment)
    if isinstance(value, list):
        return _apply_to_list(node, value, path, moment)
    if value is MISSING or is_object(value):
        return _apply_to_members(node, value, path, moment)
    return _leave(node, value, path, moment)


def _apply_below(child: Node, value: Reached, path: Path, name: str, moment: Moment) -> Reached:
    """Do the same to what has a name, or a place, in the value at path. Only nodes need to know where they are."""
    return apply_node(child, value, path if isinstance(child, Leaf) else (*path, name), moment)


def _children(node: ObjectNode, path: Path, moment: Moment) -> list[tuple[str, Node]]:
    if node.positional is not None:
        index = _position(node.positional, path, moment)
        return _sorted(_merged_children(node.children, {str(index): node.positional}, path))
    if node.ordered is None:
        node.ordered = _sorted(node.children)
    return node.ordered


def _sorted(children: dict[str, Node]) -> list[tuple[str, Node]]:
    return sorted(children.items(), key=_order)


def _position(node: Node, path: Path, moment: Moment) -> int:
    """Return the place that `$` stands for.

    Raises:
        UpdateRefused: the filter matched no element.
    """
    pointer = first_leaf(node).pointer
    index = moment.position(path, pointer)
    if index is None:
        detail = f"the filter matched no element of {'.'.join(path)!r}, which $ stands for"
        raise UpdateRefused(detail, pointer=pointer, mongo_code=BAD_VALUE)
    return index


def _order(item: tuple[str, Node]) -> tuple[int, int, str]:
    name = item[0]
    return (0, int(name), name) if is_index(name) and len(name) < 10 else (1, 0, name)


def _apply_to_members(node: ObjectNode, value: Reached, path: Path, moment: Moment) -> Reached:
    members: dict[str, JsonValue] = value if isinstance(value, dict) else {}
    changed: dict[str, JsonValue] | None = None
    for name, child in _children(node, path, moment):
        old: Reached = members.get(name, MISSING)
        new = _apply_below(child, old, path, name, moment)
        if new is old:
            continue
        if changed is None:
            changed = dict(members)
        if new is MISSING:
            del changed[name]
        else:
            changed[name] = new
    return value if changed is None else changed


def _apply_to_list(node: ObjectNode, value: list[JsonValue], path: Path, moment: Moment) -> Reached:
    changed: list[JsonValue] | None = None
    for name, child in _children(node, path, moment):
        if not is_index(name) or len(name) > 9:
            _leave(child, value, (*path, name), moment)
            continue
        _check_no_rename(child, moment)
        array, index = value if changed is None else changed, int(name)
        old: Reached = array[index] if index < len(array) else MISSING
        new = _apply_below(child, old, path, name, moment)
        if old is not MISSING:
            new = _in_place(new)
        if new is old:
            continue
        if changed is None:
            changed = list(value)
        if index >= len(changed):
            _pad(changed, index, first_leaf(child), moment)
            changed.append(None)
        changed[index] = _in_place(new)
    return value if changed is None else changed


def _in_place(new: Reached) -> JsonValue:
    """Return what stands in an array: an element that is removed leaves its place behind."""
    return None if new is MISSING else new


def _pad(array: list[JsonValue], length: int, leaf: Leaf, moment: Moment) -> None:
    moment.padding_left -= length - len(array)
    if moment.padding_left < 0:
        detail = f"an update puts at most {PADDING_MAX} nulls before new elements"
        raise UpdateRefused(detail, pointer=leaf.pointer, mongo_code=BAD_VALUE)
    array.extend([None] * (length - len(array)))


def _check_no_rename(node: Node, moment: Moment) -> None:
    for leaf in leaves(node):
        if leaf.operator == "$rename" and leaf.source is not None and leaf.is_active(moment):
            raise UpdateRefused("the target of $rename is in an array", pointer=leaf.pointer, mongo_code=BAD_VALUE)


def _apply_to_elements(node: ArrayNode, value: Reached, path: Path, moment: Moment) -> Reached:
    active = next((leaf for leaf in leaves(node) if leaf.is_active(moment)), None)
    if active is None:
        return value
    if not isinstance(value, list):
        what = "there is nothing" if value is MISSING else "there is no array"
        detail = f"{what} at {'.'.join(path)!r}, whose elements are to be updated"
        raise UpdateRefused(detail, pointer=active.pointer, mongo_code=BAD_VALUE)
    return _apply_to_each(_Meant(node, path, moment, active.pointer), value)


def _apply_to_each(meant: _Meant, array: list[JsonValue]) -> list[JsonValue]:
    moment, bytes_made = meant.moment, meant.moment.bytes_made
    moment.charge(len(array) * meant.test_count, meant.pointer)
    changed: list[JsonValue] | None = None
    for index, element in enumerate(array):
        child = meant.child(element)
        if child is None:
            continue
        new = _in_place(_apply_below(child, element, meant.path, str(index), moment))
        if new is not element:
            # What arrays in this element counted is part of it.
            bytes_made += len(encode_value(new))
            moment.hold(bytes_made)
            changed = list(array) if changed is None else changed
            changed[index] = new
    return array if changed is None else changed


class _Meant:
    """Which part of the tree is to be done to an element: what all identifiers say that mean it."""

    __slots__ = ("_known", "_names", "_node", "moment", "path", "pointer", "test_count")

    def __init__(self, node: ArrayNode, path: Path, moment: Moment, pointer: str) -> None:
        self.path = path
        self.moment = moment
        self.pointer = pointer
        self.test_count = sum(node.filters[name].condition_count for name in node.children if name)
        """For each element."""
        self._node = node
        self._names = sorted(node.children)
        self._known: dict[tuple[str, ...], tuple[Node, int]] = {}

    def child(self, element: JsonValue) -> Node | None:
        """Return the node for an element, and count what it does."""
        matching = tuple(
            [name for name in self._names if _is_meant(self._node, name, element, self.moment, self.pointer)]
        )
        if not matching:
            return None
        known = self._known.get(matching)
        if known is None:
            child = _union([self._node.children[name] for name in matching], self.path)
            _check_no_rename(child, self.moment)
            known = self._known[matching] = child, _weight(child)
        self.moment.charge(known[1], self.pointer)
        return known[0]


def _is_meant(node: ArrayNode, identifier: str, element: JsonValue, moment: Moment, pointer: str) -> bool:
    return not identifier or moment.meets({identifier: element}, node.filters[identifier], pointer)


def _union(nodes: list[Node], path: Path) -> Node:
    union = nodes[0]
    for node in nodes[1:]:
        union = _merged(union, node, path)
    return union


def _leave(node: Node, value: Reached, path: Path, moment: Moment) -> Reached:
    """Return the value, which has no place for what is below the node.

    Raises:
        UpdateRefused: an operator below needs one.
    """
    if isinstance(node, ObjectNode) and node.positional is not None:
        _position(node.positional, path, moment)
    for leaf in leaves(node):
        if leaf.effect is not Effect.LENIENT and leaf.is_active(moment):
            raise _not_viable(leaf, path, value)
    return value


def _not_viable(leaf: Leaf, path: Path, value: Reached) -> UpdateRefused:
    what = "an array" if isinstance(value, list) else "a scalar"
    detail = f"{leaf.operator} cannot reach through {'.'.join(path)!r}, where {what} stands"
    return UpdateRefused(detail, pointer=leaf.pointer, mongo_code=PATH_NOT_VIABLE)


def value_at_source(leaf: Leaf, moment: Moment) -> JsonValue:
    """Return what `$rename` moves; it is there."""
    assert leaf.source is not None
    value = get_path(moment.root, leaf.source)
    assert value is not MISSING, leaf.source
    return value
