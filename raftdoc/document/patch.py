"""Patches of a JSON value: JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396). Pure.

    operations = parse_json_patch(patch)                    # once, where the request arrives
    changed = apply_json_patch(document, operations, bytes_max=1 << 20)
    changed = apply_merge_patch(document, patch)

Neither changes its arguments. A JSON Patch is done as a whole or not at all. Pointers in errors lead into the patch:
`/3/from` is the member `from` of the fourth operation. The work is bounded: by the number of operations, and by how
many bytes `copy` may add, because each copy could double the document.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import orjson

from raftdoc.document.document import encode_value
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidPatch, PatchConflict, TooLarge
from raftdoc.limits import PATCH_OPERATIONS_MAX

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_WITH_VALUE: Final = frozenset({"add", "replace", "test"})
_WITH_FROM: Final = frozenset({"move", "copy"})
_VERBS: Final = _WITH_VALUE | _WITH_FROM | {"remove"}
_SHOWN_MAX: Final = 100

Tokens = tuple[str, ...]


class PatchOperation(NamedTuple):
    verb: str
    path: Tokens
    source: Tokens
    """Of `move` and `copy`."""
    value: JsonValue
    """Of `add`, `replace` and `test`."""


def parse_json_patch(patch: JsonValue) -> tuple[PatchOperation, ...]:
    """Return the operations of a JSON Patch. Members that its verbs do not have are passed over (RFC 6902, 4).

    Raises:
        InvalidPatch: it is none; the pointer says where.
        TooLarge: more than PATCH_OPERATIONS_MAX operations.
    """
    if not isinstance(patch, list):
        raise InvalidPatch("a JSON Patch is an array of operations", pointer="")
    if len(patch) > PATCH_OPERATIONS_MAX:
        raise TooLarge("the JSON Patch", limit=PATCH_OPERATIONS_MAX, unit="operations")
    return tuple([_parse_operation(operation, f"/{position}") for position, operation in enumerate(patch)])


def _parse_operation(operation: JsonValue, pointer: str) -> PatchOperation:
    if not isinstance(operation, dict):
        raise InvalidPatch("an operation is an object", pointer=pointer)
    verb = operation.get("op")
    if not isinstance(verb, str) or verb not in _VERBS:
        raise InvalidPatch(f"op is one of {', '.join(sorted(_VERBS))}", pointer=f"{pointer}/op")
    path = _parse_pointer(operation, "path", pointer)
    source = _parse_pointer(operation, "from", pointer) if verb in _WITH_FROM else ()
    if verb in _WITH_VALUE and "value" not in operation:
        raise InvalidPatch(f"{verb} needs the member value", pointer=pointer)
    if verb == "move" and len(source) < len(path) and path[: len(source)] == source:
        raise InvalidPatch("a value cannot be moved into itself", pointer=f"{pointer}/path")
    return PatchOperation(verb, path, source, operation.get("value"))


def _parse_pointer(operation: dict[str, JsonValue], name: str, pointer: str) -> Tokens:
    """Return the tokens of the JSON Pointer in a member. Source: RFC 6901."""
    text = operation.get(name)
    if not isinstance(text, str):
        raise InvalidPatch(f"{operation['op']} needs the member {name}, a JSON Pointer", pointer=pointer)
    if (text and not text.startswith("/")) or _BAD_ESCAPE.search(text):
        raise InvalidPatch(f"{text[:_SHOWN_MAX]!r} is no JSON Pointer", pointer=f"{pointer}/{name}")
    return tuple([token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]])


def apply_json_patch(document: JsonValue, operations: tuple[PatchOperation, ...], *, bytes_max: int) -> JsonValue:
    """Return what the operations make of a value, one after the other. `bytes_max` bounds what `copy` may add.

    Raises:
        PatchConflict: a `test` fails, or a place that an operation needs is not there.
        TooLarge: the copies are over bytes_max.
    """
    patched = _Patched(_copied(document), bytes_max)
    for position, operation in enumerate(operations):
        patched.apply(operation, f"/{position}")
    return patched.root


class _Patched:
    """The value under way. It shares nothing with the patch or with the value it came from."""

    __slots__ = ("_bytes_max", "_room", "root")

    def __init__(self, root: JsonValue, bytes_max: int) -> None:
        self.root = root
        self._bytes_max = bytes_max
        self._room = bytes_max

    def apply(self, operation: PatchOperation, pointer: str) -> None:
        verb, path, source, value = operation
        at_path, at_source = f"{pointer}/path", f"{pointer}/from"
        match verb:
            case "add":
                self._add(path, _copied(value), at_path)
            case "remove":
                self._remove(path, at_path)
            case "replace":
                self._replace(path, _copied(value), at_path)
            case "move":
                if path != source:
                    self._add(path, self._remove(source, at_source), at_path)
                else:
                    self._find(source, at_source)
            case "copy":
                self._add(path, self._copy(self._find(source, at_source)), at_path)
            case _:
                assert verb == "test", verb
                if not json_equal(self._find(path, at_path), value):
                    raise PatchConflict(f"the value at {_shown(path)} is another", pointer=pointer)

    def _copy(self, value: JsonValue) -> JsonValue:
        data = encode_value(value)
        self._room -= len(data)
        if self._room < 0:
            raise TooLarge("what the patch copies", limit=self._bytes_max)
        return _loaded(data)

    def _add(self, path: Tokens, value: JsonValue, pointer: str) -> None:
        if not path:
            self.root = value
            return
        parent, last = self._find(path[:-1], pointer), path[-1]
        if isinstance(parent, dict):
            parent[last] = value
        elif isinstance(parent, list):
            index = len(parent) if last == "-" else _index(last, len(parent), path, pointer)
            parent.insert(index, value)
        else:
            raise _missing(path, pointer)

    def _remove(self, path: Tokens, pointer: str) -> JsonValue:
        if not path:
            raise PatchConflict("the whole document cannot be removed", pointer=pointer)
        parent, last = self._find(path[:-1], pointer), path[-1]
        if isinstance(parent, dict) and last in parent:
            return parent.pop(last)
        if isinstance(parent, list):
            return parent.pop(_index(last, len(parent) - 1, path, pointer))
        raise _missing(path, pointer)

    def _replace(self, path: Tokens, value: JsonValue, pointer: str) -> None:
        if not path:
            self.root = value
            return
        parent, last = self._find(path[:-1], pointer), path[-1]
        if isinstance(parent, dict) and last in parent:
            parent[last] = value
        elif isinstance(parent, list):
            parent[_index(last, len(parent) - 1, path, pointer)] = value
        else:
            raise _missing(path, pointer)

    def _find(self, path: Tokens, pointer: str) -> JsonValue:
        """Return the value at a path."""
        found = self.root
        for token in path:
            if isinstance(found, dict) and token in found:
                found = found[token]
            elif isinstance(found, list):
                found = found[_index(token, len(found) - 1, path, pointer)]
            else:
                raise _missing(path, pointer)
        return found


def _index(token: str, last: int, path: Tokens, pointer: str) -> int:
    """Return the position in an array that a token names, from 0 to last."""
    if _INDEX.fullmatch(token) is None or int(token) > last:
        raise _missing(path, pointer)
    return int(token)


def _missing(path: Tokens, pointer: str) -> PatchConflict:
    return PatchConflict(f"the document has no place {_shown(path)}", pointer=pointer)


def _shown(path: Tokens) -> str:
    text = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)
    return repr(text[:_SHOWN_MAX])


def _copied(value: JsonValue) -> JsonValue:
    """Return the value with containers of its own."""
    return _loaded(encode_value(value)) if isinstance(value, dict | list) else value


def _loaded(data: bytes) -> JsonValue:
    value: JsonValue = orjson.loads(data)
    return value


def json_equal(left: JsonValue, right: JsonValue) -> bool:
    """Return whether two values are equal as JSON: numbers by value, members in any order. Source: RFC 6902, 4.6."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(json_equal(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(json_equal, left, right))
    return type(left) is type(right) and left == right


def apply_merge_patch(target: JsonValue, patch: JsonValue) -> JsonValue:
    """Return what a merge patch makes of a value: null removes, objects merge, all else replaces. Source: RFC 7396, 2.

    What was not patched is shared with the target.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = apply_merge_patch(merged.get(name), value)
    return merged
