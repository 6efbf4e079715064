"""Binary values as text and as numbers, for `$convert`."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Any, Final, NamedTuple

from raftdoc.document.path import MISSING
from raftdoc.document.tagged import binary_of
from raftdoc.errors import InvalidQuery
from raftdoc.query.expressions.scope import fault
from raftdoc.query.numbers import as_whole, is_number

CONVERSION_FAILURE: Final = 241
UUID_SUBTYPE: Final = 4
_TEXT_FORMS: Final = frozenset({"base64", "base64url", "hex", "utf8", "uuid", "auto"})
_SUBTYPES: Final = frozenset({*range(10), *range(128, 256)})
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}")


class Form(NamedTuple):
    """How `$convert` reads or writes binary values."""

    text: str | None = None
    is_big: bool = False
    subtype: int = 0

    @staticmethod
    def checked(text: Any, order: Any, subtype: Any, pointer: str) -> Form:
        """Return the form that `format`, `byteOrder` and `to.subtype` ask for.

        Raises:
            InvalidQuery: one of them is none.
        """
        if text is not None and text is not MISSING and not isinstance(text, str):
            raise fault("format is a string", f"{pointer}/format", 4341114)
        if order is not None and order is not MISSING:
            if not isinstance(order, str):
                raise fault("byteOrder is a string", f"{pointer}/byteOrder", 9130001)
            if order not in ("little", "big"):
                raise fault("byteOrder is little or big", f"{pointer}/byteOrder", 9130002)
        number = 0 if subtype is MISSING else _subtype(subtype, f"{pointer}/to/subtype")
        return Form(text if isinstance(text, str) else None, order == "big", number)


def _subtype(value: Any, pointer: str) -> int:
    whole = as_whole(value) if is_number(value) else None
    if whole is None:
        raise fault("a subtype is a whole number", pointer, 4341108)
    if whole not in _SUBTYPES:
        raise fault("there is no such subtype", pointer, 4341107)
    return whole


def _failure(detail: str, pointer: str) -> InvalidQuery:
    return fault(detail, pointer, CONVERSION_FAILURE)


def _tagged(data: bytes, subtype: int) -> dict[str, Any]:
    return {"$binary": {"base64": base64.b64encode(data).decode(), "subType": f"{subtype:02x}"}}


def _checked_text_form(form: Form, pointer: str) -> str:
    if form.text is None:
        raise fault("a binary value needs a format", pointer, 4341115)
    if form.text not in _TEXT_FORMS:
        raise fault(f"there is no format {form.text!r}", f"{pointer}/format", 4341125)
    return form.text


def binary_from_text(text: str, form: Form, pointer: str) -> dict[str, Any]:
    """Return the binary value that a text stands for in the form's format.

    Raises:
        InvalidQuery: no or an unknown format, or a text that is not of it.
    """
    name = _checked_text_form(form, pointer)
    if (name == "uuid") != (form.subtype == UUID_SUBTYPE) or name == "auto":
        raise _failure(f"the format {name} does not make a binary value of subtype {form.subtype}", pointer)
    try:
        return _tagged(_decoded(text, name), form.subtype)
    except (binascii.Error, ValueError):
        raise _failure(f"the text is not {name}", pointer) from None


def _decoded(text: str, name: str) -> bytes:
    if name == "base64":
        return binascii.a2b_base64(text, strict_mode=True)
    if name == "base64url":
        if _BASE64URL.fullmatch(text) is None:
            raise ValueError(text)
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if name == "hex":
        return binascii.unhexlify(text)
    if name == "utf8":
        return text.encode()
    if _UUID.fullmatch(text) is None:
        raise ValueError(text)
    return bytes.fromhex(text.replace("-", ""))


def text_from_binary(value: dict[str, Any], form: Form, pointer: str) -> str:
    """Return a binary value as text.

    Raises:
        InvalidQuery: no or an unknown format, or one that cannot hold the value.
    """
    subtype, data = binary_of(value)
    name = _checked_text_form(form, pointer)
    if name == "auto":
        name = "uuid" if subtype == UUID_SUBTYPE else "base64"
    if name == "uuid":
        if subtype != UUID_SUBTYPE or len(data) != 16:
            raise _failure("the binary value is no UUID", pointer)
        text = data.hex()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    if name == "hex":
        return data.hex().upper()
    if name == "utf8":
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise _failure("the binary value is not UTF-8", pointer) from None
    encode = base64.b64encode if name == "base64" else base64.urlsafe_b64encode
    text = encode(data).decode()
    return text if name == "base64" else text.rstrip("=")


def number_as_binary(value: Any, kind: str, form: Form, pointer: str) -> dict[str, Any]:
    """Return the bytes of a number: 4 of an int, 8 of a long or a double."""
    order = ">" if form.is_big else "<"
    code = {"int": "i", "long": "q", "double": "d"}[kind]
    return _tagged(struct.pack(order + code, value), form.subtype)


def binary_number(value: dict[str, Any], target: str, form: Form, pointer: str) -> int | float:
    """Return the number whose bytes a binary value holds.

    Raises:
        InvalidQuery: it has another number of bytes.
    """
    _, data = binary_of(value)
    if target == "double" and len(data) in (4, 8):
        code = "f" if len(data) == 4 else "d"
        return float(struct.unpack((">" if form.is_big else "<") + code, data)[0])
    if target != "double" and len(data) in ((1, 2, 4) if target == "int" else (1, 2, 4, 8)):
        return int.from_bytes(data, "big" if form.is_big else "little", signed=True)
    raise _failure(f"a binary value of {len(data)} bytes is no {target}", pointer)
