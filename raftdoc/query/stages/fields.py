"""Stages that change documents: `$set`, `$unset`, `$replaceRoot`, `$replaceWith`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from raftdoc.document.path import MISSING, is_object, parse_path
from raftdoc.query.context import Context
from raftdoc.query.expression import Expression
from raftdoc.query.expressions.compile import escaped
from raftdoc.query.expressions.scope import Frame, Run, Value, fault
from raftdoc.query.stages.plain import Project, stage_projection
from raftdoc.query.stages.stage import Document, Items, Setting, StageBuilder, frame_of
from raftdoc.query.type_names import type_name


@dataclass(slots=True)
class Fields:
    """A tree of names; at its leaves stand expressions."""

    members: dict[str, Fields | Expression] = field(default_factory=dict)

    def put(self, path: tuple[str, ...], leaf: Expression, pointer: str) -> None:
        """Raise InvalidQuery if another path is a part of this one, or the reverse."""
        node = self
        for name in path[:-1]:
            below = node.members.setdefault(name, Fields())
            if not isinstance(below, Fields):
                raise fault("the path runs through another one of the stage", pointer, 40176)
            node = below
        if path[-1] in node.members:
            raise fault("the path runs into another one of the stage", pointer, 40176)
        node.members[path[-1]] = leaf

    def compiled(self) -> list[tuple[str, Run | Plan]]:
        """Return the tree as lists, which are quicker to go through."""
        return [
            (name, member.compiled() if isinstance(member, Fields) else _runner(member))
            for name, member in self.members.items()
        ]


Plan = list[tuple[str, "Run | Plan"]]


def _runner(expression: Expression) -> Run:
    run, slots = expression.run, expression.slots
    return (lambda frame: run([*frame, *slots])) if slots else run


def _set_in(value: Value, plan: Plan, frame: Frame) -> Value:
    """Return value with the fields of plan set: an array in each of its elements, a scalar by an object."""
    if isinstance(value, list):
        return [_set_in(element, plan, frame) for element in value]
    made = dict(value) if is_object(value) else {}
    for name, member in plan:
        result = _set_in(made.get(name, MISSING), member, frame) if isinstance(member, list) else member(frame)
        if result is MISSING:
            made.pop(name, None)
        else:
            made[name] = result
    return made


@dataclass(frozen=True, slots=True)
class Set:
    plan: Plan

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        plan = self.plan

        def changed(document: Document | None) -> Document | None:
            return None if document is None else _set_in(document, plan, [document, context])

        # A map, unlike a generator, does not hold the document while what it made of it goes through other stages.
        return map(changed, documents)


def build_set(spec: Value, pointer: str, setting: Setting) -> Set:
    """Raise InvalidQuery unless it is an object of paths to expressions."""
    if not is_object(spec):
        raise fault("$set takes an object", pointer, 40272)
    root = Fields()
    for name, value in spec.items():
        below = f"{pointer}/{escaped(name)}"
        _put(root, parse_path(name, below), value, below, setting)
    return Set(root.compiled())


def _put(root: Fields, path: tuple[str, ...], value: Value, pointer: str, setting: Setting) -> None:
    """Put an expression, or the fields of an object that is none: `{"a": {"b": 1}}` is `{"a.b": 1}`."""
    if not is_object(value) or not value or next(iter(value))[:1] == "$":
        root.put(path, setting.expression(value, pointer), pointer)
        return
    for name, member in value.items():
        below = f"{pointer}/{escaped(name)}"
        if "." in name:
            raise fault("a name inside of an object holds no '.'", below, 40183)
        _put(root, (*path, *parse_path(name, below)), member, below, setting)


def build_unset(spec: Value, pointer: str, setting: Setting) -> Project:
    """Raise InvalidQuery unless it is a path or an array of paths."""
    if isinstance(spec, str):
        spec = [spec]
    elif not isinstance(spec, list):
        raise fault("$unset takes a path or an array of paths", pointer, 31002)
    if not spec:
        raise fault("$unset takes at least one path", pointer, 31119)
    for place, name in enumerate(spec):
        if not isinstance(name, str):
            raise fault("a path is a string", f"{pointer}/{place}", 31120)
    for place, name in enumerate(spec):
        if "\0" in name:
            raise fault("a path holds no NUL", f"{pointer}/{place}", 9527900)
    if len(set(spec)) < len(spec):
        raise fault("a path stands twice", pointer, 31250)
    return Project(stage_projection(dict.fromkeys(spec, 0), pointer, setting))


@dataclass(frozen=True, slots=True)
class Replace:
    expression: Expression
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        run, frame = self.expression.run, frame_of(context, self.expression)

        def changed(document: Document | None) -> Document | None:
            if document is None:
                return None
            frame[0] = document
            made: Document = run(frame)
            frame[0] = None
            if not is_object(made):
                raise fault(f"a document is an object, not {type_name(made)}", self.pointer, 40228)
            return made

        return map(changed, documents)


def build_replace_with(spec: Value, pointer: str, setting: Setting) -> Replace:
    """Raise InvalidQuery unless it is an expression that may be an object."""
    expression = setting.expression(spec, pointer)
    if expression.is_constant and not is_object(expression.constant):
        raise fault(f"a document is an object, not {type_name(expression.constant)}", pointer, 40228)
    return Replace(expression, pointer)


def build_replace_root(spec: Value, pointer: str, setting: Setting) -> Replace:
    """Raise InvalidQuery unless it is an object of newRoot."""
    if not is_object(spec):
        raise fault("$replaceRoot takes an object", pointer, 40229)
    for name in spec:
        if name != "newRoot":
            raise fault(f"$replaceRoot has no member {name!r}", f"{pointer}/{escaped(name)}", 40415)
    if "newRoot" not in spec:
        raise fault("$replaceRoot needs newRoot", pointer, 40414)
    return build_replace_with(spec["newRoot"], f"{pointer}/newRoot", setting)


BUILDERS: Final[Mapping[str, StageBuilder]] = {
    "$set": build_set,
    "$addFields": build_set,
    "$unset": build_unset,
    "$replaceWith": build_replace_with,
    "$replaceRoot": build_replace_root,
}
