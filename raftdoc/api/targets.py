"""Request targets: the path and the query of a request, taken apart as they were sent and decoded once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

from raftdoc.errors import InvalidRequest, UnknownOption

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


def split_target(target: str) -> tuple[str, str]:
    """Return (path, query) of a request target in origin or absolute form, both as sent.

    Raises:
        InvalidRequest: it has a fragment, or bytes that a target may not have.
    """
    if not target.startswith("/"):
        target = _AUTHORITY.sub("", target, count=1) or "/"
    if "#" in target or not target.isascii():
        raise InvalidRequest("a request target has neither a fragment nor bytes outside ASCII")
    path, _, query = target.partition("?")
    return path, query


def decode(text: str) -> str:
    """Return text with its percent-encoding undone, once; `+` is itself.

    Raises:
        InvalidRequest: a percent sign without two hexadecimal digits, or bytes that are no UTF-8.
    """
    if "%" not in text:
        return text
    if _BAD_PERCENT.search(text):
        raise InvalidRequest(f"{text[:200]!r} has a percent sign without two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"{text[:200]!r} is not percent-encoded UTF-8") from None


def read_query(query: str, allowed: frozenset[str]) -> Mapping[str, str]:
    """Return the query parameters, decoded.

    Raises:
        UnknownOption: one that the operation does not have.
        InvalidRequest: one stands there twice.
    """
    if not query:
        return NOTHING
    parameters: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = decode(name)
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise UnknownOption(f"there is no query parameter {name[:100]!r} here; there is: {known}")
        if name in parameters:
            raise InvalidRequest(f"the query parameter {name} is sent twice")
        parameters[name] = decode(value)
    return parameters


def read_flag(query: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return a query parameter that is true or false.

    Raises:
        InvalidRequest: it is something else.
    """
    value = query.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise InvalidRequest(f"{name} is true or false, not {value[:100]!r}")
    return value == "true"
