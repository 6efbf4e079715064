"""What the header fields of a request say. Bytes in, values out; a fault is an InvalidRequest that names the field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from raftdoc.errors import (
    HeadersTooLarge,
    InvalidRequest,
    NotAcceptable,
    UnknownOption,
    UnsupportedExpectation,
    UnsupportedMediaType,
)
from raftdoc.ids import GroupId, Index
from raftdoc.limits import (
    HTTP_HEADER_BYTES_MAX,
    IDEMPOTENCY_KEY_BYTES_MAX,
    MIN_INDEX_GROUPS_MAX,
    REQUEST_TIMEOUT_MS_MAX,
)

Fields: TypeAlias = dict[bytes, bytes]
"""The header fields that raftdoc reads, by name in lower case. Others are not kept."""

_READ: Final = (
    b"Accept",
    b"Content-Encoding",
    b"Content-Length",
    b"Content-Type",
    b"Expect",
    b"Idempotency-Key",
    b"If-Match",
    b"If-Modified-Since",
    b"If-None-Match",
    b"If-Unmodified-Since",
    b"Raftdoc-Consistency",
    b"Raftdoc-Max-Staleness",
    b"Raftdoc-Min-Index",
    b"Raftdoc-Timeout",
    b"X-Request-Id",
)
_PASSED_OVER: Final = (b"Host", b"Connection", b"User-Agent", b"Accept-Encoding", b"Raftdoc-Forwarded")
_NAMES: Final = {spelled: name.lower() for name in _READ for spelled in (name, name.lower())} | {
    spelled: None for name in _PASSED_OVER for spelled in (name, name.lower())
}
_LISTS: Final = frozenset({b"accept", b"if-none-match"})
"""May be sent in several lines: they are lists."""

_DURATION: Final = re.compile(rb"(\d{1,9})(ms|s)")
_TOKEN: Final = re.compile(rb"\d{1,10}:\d{1,19}(?:,\d{1,10}:\d{1,19})*")
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_CONTENT_TYPE: Final = re.compile(
    rb'\s*+([\w.+/-]++)\s*+(?:;\s*+charset\s*+=\s*+"?utf-?8"?\s*+)?+;?\s*+', re.IGNORECASE
)
"""Possessive: white space is gone over once."""
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\["\\])*)"')
_VISIBLE: Final = re.compile(rb"[\x20-\x7e]+")


def read_fields(raw_headers: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Return the fields that raftdoc reads.

    Raises:
        InvalidRequest: one that is no list stands there twice.
        HeadersTooLarge: the lines of a list are too much together.
        UnknownOption: a `Raftdoc-` header that does not exist.
    """
    fields: Fields = {}
    for spelled, value in raw_headers:
        try:
            name = _NAMES[spelled]
        except KeyError:
            name = _name_of(spelled)
        if name is None:
            continue
        if name in fields:
            if name not in _LISTS:
                raise InvalidRequest(f"the header {spelled.decode()} is sent twice")
            fields[name] += b", " + value
            if len(fields[name]) > HTTP_HEADER_BYTES_MAX:
                raise HeadersTooLarge(f"the header {spelled.decode()}", limit=HTTP_HEADER_BYTES_MAX)
        else:
            fields[name] = value
    return fields


def _name_of(spelled: bytes) -> bytes | None:
    lower = spelled.lower()
    if lower.startswith(b"raftdoc-") and lower not in _NAMES:
        raise UnknownOption(f"there is no header {spelled.decode()}")
    return _NAMES.get(lower)


def check_allowed(fields: Fields, allowed: frozenset[bytes], method: str) -> None:
    """Refuse a field that means nothing to the operation, so that none is sent in vain.

    Raises:
        UnknownOption: names the field.
    """
    for name in fields:
        if name not in allowed:
            raise UnknownOption(f"the header {name.decode().title()} has no meaning for this {method}")


def duration_ms(fields: Fields, name: bytes) -> int | None:
    """Return the milliseconds of a field like `500ms` or `2s`."""
    value = fields.get(name)
    if value is None:
        return None
    match = _DURATION.fullmatch(value)
    if match is None:
        raise InvalidRequest(
            f"{name.decode().title()} is a number with its unit, like 500ms or 2s, not {_shown(value)}"
        )
    return int(match[1]) * (1 if match[2] == b"ms" else 1000)


def timeout_ms(fields: Fields) -> int | None:
    """Return what Raftdoc-Timeout asks for: from 1 ms to REQUEST_TIMEOUT_MS_MAX."""
    asked = duration_ms(fields, b"raftdoc-timeout")
    if asked is not None and not 1 <= asked <= REQUEST_TIMEOUT_MS_MAX:
        raise InvalidRequest(f"Raftdoc-Timeout is from 1ms to {REQUEST_TIMEOUT_MS_MAX}ms")
    return asked


def min_index(fields: Fields) -> tuple[tuple[GroupId, Index], ...]:
    """Return what Raftdoc-Min-Index asks to be applied: (group, index) pairs, each group once."""
    value = fields.get(b"raftdoc-min-index")
    if value is None:
        return ()
    if _TOKEN.fullmatch(value) is None:
        raise InvalidRequest(f"Raftdoc-Min-Index is a token that Raftdoc-Index gave, not {_shown(value)}")
    parts = [part.split(b":") for part in value.split(b",")]
    pairs = tuple((GroupId(int(group)), Index(int(index))) for group, index in parts)
    if len(pairs) > MIN_INDEX_GROUPS_MAX or len({group for group, _ in pairs}) < len(pairs):
        raise InvalidRequest("Raftdoc-Min-Index names a group twice, or too many groups")
    return pairs


def request_id(fields: Fields) -> str:
    """Return the caller's X-Request-Id; empty where there is none that can be passed on safely."""
    value = fields.get(b"x-request-id")
    return value.decode() if value is not None and _REQUEST_ID.fullmatch(value) else ""


def idempotency_key(fields: Fields) -> str | None:
    """Return the key, of 1-128 visible ASCII characters; as a quoted string, it is what is inside the quotes."""
    value = fields.get(b"idempotency-key")
    if value is None:
        return None
    quoted = _QUOTED.fullmatch(value)
    if quoted is not None:
        value = re.sub(rb"\\(.)", rb"\1", quoted[1])
    return check_idempotency_key(value)


def check_idempotency_key(value: bytes) -> str:
    if not 1 <= len(value) <= IDEMPOTENCY_KEY_BYTES_MAX or _VISIBLE.fullmatch(value) is None:
        raise InvalidRequest(f"an idempotency key has 1-{IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters")
    return value.decode()


def media_type(fields: Fields, accepted: tuple[str, ...]) -> str:
    """Return the media type of the body.

    Raises:
        UnsupportedMediaType: it is none of those accepted, in another character set, or encoded.
    """
    if fields.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType("Content-Encoding has to be identity")
    value = fields.get(b"content-type", b"")
    if value == b"application/json" and "application/json" in accepted:
        return "application/json"
    match = _CONTENT_TYPE.fullmatch(value)
    sent = match[1].decode().lower() if match else ""
    if sent not in accepted:
        shown = _shown(value) if value else "none"
        raise UnsupportedMediaType(f"Content-Type has to be {' or '.join(accepted)}, in UTF-8; it is {shown}")
    return sent


def accepted_media(fields: Fields, available: tuple[str, ...]) -> str:
    """Return the best of the media types available, by Accept; the first where it does not matter.

    Raises:
        NotAcceptable: none of them.
    """
    value = fields.get(b"accept")
    if value is None or value == b"*/*":
        return available[0]
    ranges = [_range(part) for part in value.decode("latin-1").lower().split(",")]
    best = max(available, key=lambda media: _quality(media, ranges))
    if _quality(best, ranges) <= 0:
        raise NotAcceptable(available)
    return best


def _range(part: str) -> tuple[str, float]:
    """Return (media range, quality) of one part of Accept; a quality that is no number counts as 0."""
    media, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return media, float(value) if re.fullmatch(r"[01](\.\d{0,3})?", value.strip()) else 0.0
    return media, 1.0


def _quality(media: str, ranges: list[tuple[str, float]]) -> float:
    """Return the quality of the most specific range that a media type falls into. Source: RFC 9110, 12.5.1."""
    for wanted in (media, media.partition("/")[0] + "/*", "*/*"):
        for name, quality in ranges:
            if name == wanted:
                return quality
    return 0.0


def expects_continue(fields: Fields) -> bool:
    """Return whether the client waits for 100 before it sends its body.

    Raises:
        UnsupportedExpectation: it expects something else.
    """
    value = fields.get(b"expect")
    if value is None:
        return False
    if value.lower() != b"100-continue":
        raise UnsupportedExpectation(f"Expect can be 100-continue, not {_shown(value)}")
    return True


def _shown(value: bytes) -> str:
    return repr(value[:60].decode("latin-1"))
