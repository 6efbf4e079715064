"""The fingerprint of a request: what makes a retry the same request as the first."""

from __future__ import annotations

from typing import Final

import xxhash

from raftdoc.api.exchange import Call
from raftdoc.api.request_fields import idempotency_key
from raftdoc.statemachine.outcome import Idempotency

_FIELDS: Final = (b"content-type", b"if-match", b"if-none-match")


class Fingerprint:
    """Takes in a request: method, path, query, content type, conditions, then its raw body, piece by piece."""

    def __init__(self, call: Call) -> None:
        parts = [call.message.method.encode(), call.message.path.encode()]
        parts += [call.fields.get(name, b"") for name in _FIELDS]
        # Each part with its length, so that none runs into the next.
        self._hash = xxhash.xxh3_128(b"".join(b"%d:%b" % (len(part), part) for part in parts))

    def update(self, piece: bytes) -> None:
        self._hash.update(piece)

    def digest(self) -> bytes:
        """Return 16 bytes."""
        return self._hash.digest()


def note_key(call: Call, retention_ms: int) -> None:
    """Put the idempotency key of a call, if it has one, with its fingerprint into its request. The body is here.

    Raises:
        InvalidRequest: the key is none.
    """
    key = idempotency_key(call.fields)
    if key is not None:
        fingerprint = Fingerprint(call)
        fingerprint.update(call.body)
        call.request.idempotency = Idempotency(key, fingerprint.digest(), retention_ms)
