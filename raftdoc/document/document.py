"""What is a document, and what may be its id.

A document is kept as *normal* bytes: its JSON without white space, as orjson writes it, `_id` first. Bytes
that re-encode to themselves are normal already, and cannot hold what orjson silently lets pass: a duplicate
name or an integer of 2^64 and more would come out shorter or otherwise. What is left to look for in them is
an integer between int64 and 2^64, depth, and reserved names. All other bytes take the strict parser.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import orjson

from raftdoc.document.key import encode_key
from raftdoc.document.strict_json import TooDeep, is_too_deep, parse_json
from raftdoc.document.tagged import check_tagged, tag_of
from raftdoc.document.value import DocumentId, JsonValue
from raftdoc.errors import InvalidDocument, InvalidId, InvalidName, TooLarge
from raftdoc.limits import DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX, DOCUMENT_ID_BYTES_MAX, NAME_LENGTH_MAX

_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{NAME_LENGTH_MAX - 1}}}")
_DIGITS_TO_ZEROS: Final = bytes(ord("0") if chr(byte) in "0123456789" else byte for byte in range(256))
_NINETEEN_DIGITS: Final = b"0" * 19
_ID_FIELD: Final = b'"_id":'


class ParsedDocument(NamedTuple):
    normal: bytes
    id: DocumentId | None
    """The `_id` in it; None: it has none."""


def parse_document(body: bytes, *, bytes_max: int = DOCUMENT_BYTES_MAX) -> ParsedDocument:
    """Return the normal bytes of a document, and its id if it has one.

    Raises:
        TooLarge: over bytes_max, as sent or in normal form.
        MalformedJson: no JSON, or JSON that is refused (see `strict_json`).
        InvalidDocument: the root is no object; too deep; a tagged scalar with another content.
        InvalidName: a name that begins with `$` and is no tag.
        InvalidId: `_id` cannot be an id.
    """
    if len(body) > bytes_max:
        raise TooLarge("the document", limit=bytes_max)
    value, normal = _normalise(body)
    if len(normal) > bytes_max:
        raise TooLarge("the document in normal form", limit=bytes_max)
    if type(value) is not dict:
        raise InvalidDocument(f"a document is a JSON object, not {normal[:60].decode(errors='ignore')}")
    # In bytes without white space a name follows one of these; a quotation mark in a string follows a backslash.
    if b"$" in normal and (b'{"$' in normal or b',"$' in normal):
        _check_names(value)
    return ParsedDocument(normal, check_id(value["_id"]) if "_id" in value else None)


def _normalise(body: bytes) -> tuple[JsonValue, bytes]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _parse_strictly(body)
    # The depth first: orjson reads deeper than it writes.
    if is_too_deep(value, body):
        return _parse_strictly(body)
    normal = orjson.dumps(value)
    if normal != body or _NINETEEN_DIGITS in body.translate(_DIGITS_TO_ZEROS):
        return _parse_strictly(body)
    return value, normal


def _parse_strictly(body: bytes) -> tuple[JsonValue, bytes]:
    try:
        value = parse_json(body)
    except TooDeep as error:
        raise InvalidDocument(error.detail) from None
    return value, orjson.dumps(value)


def _check_names(value: JsonValue) -> None:
    """Check that `$` begins no name but a tag's. The depth is bounded by now.

    The pointer is put together where a fault is found: everywhere, it would take the time of a product.
    """
    if isinstance(value, list):
        for position, element in enumerate(value):
            if type(element) is dict or type(element) is list:
                _check_below(element, position)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name.startswith("$"):
                raise InvalidName(f"the field name {name!r} is reserved", pointer=_step(name))
            if type(member) is dict or type(member) is list:
                _check_below(member, name)


def _check_below(value: JsonValue, step: str | int) -> None:
    """Check a container; pointers in errors begin at the one that holds it."""
    try:
        if isinstance(value, dict) and tag_of(value) is not None:
            check_tagged(value)
        else:
            _check_names(value)
    except (InvalidName, InvalidDocument) as error:
        error.pointer = _step(step) + (error.pointer or "")
        raise


def _step(step: str | int) -> str:
    return f"/{str(step).replace('~', '~0').replace('/', '~1')}"


def encode_value(value: JsonValue) -> bytes:
    """Return a value that was put together here as JSON.

    Raises:
        InvalidDocument: it has more levels than can be written; far more than a document may have.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise InvalidDocument(f"more than {DOCUMENT_DEPTH_MAX} levels") from None


def with_id(normal: bytes, id: DocumentId) -> bytes:
    """Return normal bytes of a document with this `_id` first, whatever `_id` was in it."""
    head = b'{"_id":' + orjson.dumps(id)
    if _ID_FIELD not in normal:
        return head + b"}" if normal == b"{}" else head + b"," + normal[1:]
    if normal.startswith(head) and normal[len(head)] in b",}":
        return normal
    fields = orjson.loads(normal)
    fields.pop("_id", None)
    return orjson.dumps({"_id": id, **fields})


def id_key(id: DocumentId) -> bytes:
    """Return the storage key of a document: equal for ids that are equal by value, as 1 and 1.0 are."""
    return encode_key(id)


def check_id(value: JsonValue) -> DocumentId:
    """Return value if it can be the id of a document.

    Raises:
        InvalidId: null, an array, an object, or a string that is empty, too long, `.` or `..`.
    """
    if type(value) is str:
        _check_text(value)
    elif isinstance(value, dict):
        _check_tagged_id(value)
    elif value is None or isinstance(value, list):
        raise InvalidId("an _id is a string, a number, a boolean or a tagged scalar", pointer="/_id")
    return value


def _check_text(text: str) -> None:
    if text in ("", ".", ".."):
        raise InvalidId(f"{text!r} cannot be an _id", pointer="/_id")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidId("an _id with a lone surrogate", pointer="/_id") from None
    if size > DOCUMENT_ID_BYTES_MAX:
        raise InvalidId(f"an _id has at most {DOCUMENT_ID_BYTES_MAX} bytes, this one {size}", pointer="/_id")


def _check_tagged_id(value: dict[str, JsonValue]) -> None:
    if tag_of(value) is None:
        raise InvalidId("an object cannot be an _id", pointer="/_id")
    try:
        size = len(encode_key(value))
    except InvalidDocument as error:
        raise InvalidId(error.detail, pointer="/_id") from None
    if size > DOCUMENT_ID_BYTES_MAX:
        raise InvalidId(f"an _id has at most {DOCUMENT_ID_BYTES_MAX} bytes", pointer="/_id")


def parse_id(text: str, *, is_json: bool = False) -> DocumentId:
    """Return the id that a path segment names: the text itself, or what it says as JSON.

    Raises:
        InvalidId: it cannot be the id of a document.
        MalformedJson: is_json, and the text is no JSON.
    """
    if not is_json:
        return check_id(text)
    return check_id(parse_json(text.encode(errors="surrogatepass")))


def parse_name(text: str) -> str:
    """Return text if it can be the name of a database or a collection.

    Raises:
        InvalidName: it cannot.
    """
    if _NAME.fullmatch(text) is None:
        raise InvalidName(f"{text[:NAME_LENGTH_MAX]!r} does not match {_NAME.pattern}")
    return text
