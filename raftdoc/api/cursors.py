"""Cursors: where a list goes on. Opaque, signed, without any state on a server; valid on every node.

    base64url( signature 16 B | id key of the last document )

The signature covers what the cursor belongs to as well, so that one of another list is refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from raftdoc.errors import InvalidCursor
from raftdoc.limits import CURSOR_BYTES_MAX

SIGNATURE_BYTES: Final = 16


def sign_cursor(key: bytes, scope: tuple[str, ...], after: bytes) -> str:
    """Return the cursor that goes on after an id key. `scope` names the list: database, collection, order."""
    return base64.urlsafe_b64encode(_signature(key, scope, after) + after).rstrip(b"=").decode()


def open_cursor(key: bytes, scope: tuple[str, ...], cursor: str) -> bytes:
    """Return the id key that a cursor goes on after.

    Raises:
        InvalidCursor: it was not made by this cluster for this list.
    """
    if len(cursor) > CURSOR_BYTES_MAX:
        raise InvalidCursor("the cursor is too long to be one")
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidCursor("the cursor is not one that this cluster gave") from None
    after = raw[SIGNATURE_BYTES:]
    # Compared as text: the spare bits of base64 are part of what was given.
    if not hmac.compare_digest(sign_cursor(key, scope, after).encode(), cursor.encode()):
        raise InvalidCursor("the cursor was changed, or belongs to another list or cluster")
    return after


def _signature(key: bytes, scope: tuple[str, ...], after: bytes) -> bytes:
    # No name holds a NUL, so that two scopes never run together.
    message = "\0".join(scope).encode() + b"\0" + after
    return hmac.digest(key, message, "sha256")[:SIGNATURE_BYTES]
