"""`$redact`: each object of a document is kept, removed, or looked into, as an expression over it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from raftdoc.document.path import MISSING, is_object
from raftdoc.query.context import Context
from raftdoc.query.expression import Expression, compile_in, new_scope
from raftdoc.query.expressions.scope import Frame, Value, fault
from raftdoc.query.stages.stage import Document, Items, Setting

VERDICTS: Final = {"DESCEND": "descend", "PRUNE": "prune", "KEEP": "keep"}


@dataclass(frozen=True, slots=True)
class Redact:
    expression: Expression
    slot: int
    """Of `$$CURRENT`."""
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        for document in documents:
            if document is None:
                yield None
                continue
            kept = self._object(document, [document, context, *self.expression.slots])
            if kept is not MISSING:
                yield kept

    def _object(self, value: Document, frame: Frame) -> Value:
        frame[self.slot] = value
        verdict = self.expression.run(frame)
        if verdict == "keep":
            return value
        if verdict == "prune":
            return MISSING
        if verdict != "descend":
            raise fault("the result is one of $$DESCEND, $$PRUNE and $$KEEP", self.pointer, 17053)
        members = {name: self._member(member, frame) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not MISSING}

    def _member(self, value: Value, frame: Frame) -> Value:
        if isinstance(value, list):
            elements = [self._member(element, frame) for element in value]
            return [element for element in elements if element is not MISSING]
        return self._object(value, frame) if is_object(value) else value


def build_redact(spec: Value, pointer: str, setting: Setting) -> Redact:
    """Raise InvalidQuery unless it is an expression."""
    scope, (slot,) = new_scope(setting.variables, constants=VERDICTS, reading=setting.reading).bind("CURRENT")
    return Redact(compile_in(scope, spec, pointer), slot, pointer)
