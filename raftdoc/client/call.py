"""One call as it is sent: the parts that stay the same over all its attempts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from os import urandom
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

import orjson

from raftdoc.client.errors import InvalidAnswer, InvalidUse
from raftdoc.client.options import CallOptions

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
T = TypeVar("T")


class Call(NamedTuple):
    method: str
    path: str
    """Percent-encoded, with its query."""
    database: str | None
    """Whose leader is to be asked first; None: any node."""
    body: bytes
    fields: str
    """Header lines that do not change between attempts."""
    is_safe: bool
    """Doing it twice is doing it once: a read, or a write with a key."""
    is_write: bool
    idempotency_key: str | None
    options: CallOptions

    def encode(self, authority: str, timeout_ms: int) -> bytes:
        """Return the request for one node."""
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: {authority}\r\n{self.fields}"
        head += f"Raftdoc-Timeout: {timeout_ms}ms\r\n"
        session = self.options.session
        if session is not None and (token := session.token):
            head += f"Raftdoc-Min-Index: {token}\r\n"
        if self.body or self.method not in SAFE_METHODS:
            head += f"Content-Length: {len(self.body)}\r\n"
        return head.encode("latin-1") + b"\r\n" + self.body


class Answer(NamedTuple):
    """An answer that is whole, and says that the call succeeded."""

    status: int
    fields: Mapping[str, str]
    """Header fields; names are looked up without regard to case."""
    body: bytes
    idempotency_key: str | None = None
    """Under which the write was sent."""

    def object(self) -> dict[str, Any]:
        """Return the body.

        Raises:
            InvalidAnswer: it is no JSON object.
        """
        try:
            value = orjson.loads(self.body)
        except ValueError as error:
            raise self.invalid(f"the answer is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise self.invalid(f"the answer is no JSON object: {self.body[:60]!r}")
        return value

    def member(self, name: str, kind: type[T]) -> T:
        """Return a member of the body.

        Raises:
            InvalidAnswer: there is none, or it is of another type.
        """
        return self.checked(self.object(), name, kind)

    def checked(self, body: dict[str, Any], name: str, kind: type[T]) -> T:
        """Return a member of the body, which the caller has read already; see `member`."""
        value = body.get(name)
        if not isinstance(value, kind):
            raise self.invalid(f"the answer's {name} is no {kind.__name__}: {value!r:.60}")
        return value

    def each(self, name: str, read: Callable[[dict[str, Any]], T]) -> list[T]:
        """Return what `read` makes of each element of a member.

        Raises:
            InvalidAnswer: it cannot.
        """
        elements = self.member(name, list)
        try:
            return [read(element) for element in elements]
        except (KeyError, TypeError, AttributeError) as error:
            raise self.invalid(f"the answer's {name} are not what they should be: {error!r}") from None

    def invalid(self, detail: str) -> InvalidAnswer:
        """Return the error for an answer that is none, though it says that the call succeeded."""
        node = self.fields.get("Raftdoc-Node")
        return InvalidAnswer(detail, status=self.status, node=node, idempotency_key=self.idempotency_key)


def path_of(*segments: str) -> str:
    """Return a path below /v1, each segment percent-encoded.

    Raises:
        InvalidUse: a segment is no text, or none that UTF-8 can carry.
    """
    return "/v1/" + "/".join([segment_of(segment) for segment in segments])


def segment_of(text: str) -> str:
    """Return a name as one segment of a path.

    Raises:
        InvalidUse: it is no text, or none that UTF-8 can carry.
    """
    try:
        if isinstance(text, str):
            # Most ids need no quoting, and every call has one.
            return text if text.isascii() and text.isalnum() else quote(text, safe="")
    except UnicodeEncodeError:
        pass  # half of a surrogate pair is no text either
    raise InvalidUse(f"a name is a string of valid Unicode, not {text!r:.60}")


def query_of(parameters: Mapping[str, object]) -> str:
    """Return `?name=value&...` of those that are not None; empty without any."""
    parts = [f"{name}={quote(_text(value), safe='')}" for name, value in parameters.items() if value is not None]
    return "?" + "&".join(parts) if parts else ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def make_call(
    method: str,
    path: str,
    options: CallOptions,
    *,
    database: str | None = None,
    body: bytes = b"",
    media: str = JSON,
    accept: str | None = None,
    is_read: bool = False,
    key: str | None = None,
    conditions: Iterable[tuple[str, str]] = (),
) -> Call:
    """Return a call. `is_read` is True for a POST that changes nothing; `key` is the idempotency key of a write."""
    is_read = is_read or method in SAFE_METHODS
    fields = f"Content-Type: {media}\r\n" if body else ""
    if accept is not None:
        fields += f"Accept: {accept}\r\n"
    for name, value in conditions:
        fields += f"{name}: {_field_value(value)}\r\n"
    if is_read and options.consistency == "stale":
        fields += "Raftdoc-Consistency: stale\r\n"
        if options.max_staleness_ms is not None:
            fields += f"Raftdoc-Max-Staleness: {options.max_staleness_ms}ms\r\n"
    if key is not None and not is_read:
        fields += f"Idempotency-Key: {_field_value(key)}\r\n"
    key = None if is_read else key
    is_safe = is_read or key is not None
    return Call(method, path, database, body, fields, is_safe, not is_read, key, options)


def _field_value(text: object) -> str:
    if not isinstance(text, str) or not text.isascii() or not text.isprintable():
        raise InvalidUse(f"a revision or a key is printable ASCII, not {text!r:.60}")
    return text


def new_key() -> str:
    """Return an idempotency key of its own: a UUIDv7, whose time tells the cluster when it may be forgotten."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(urandom(10))
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
