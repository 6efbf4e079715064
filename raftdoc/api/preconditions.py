"""Entity tags and the conditions on them.

The tag of a document is its revision in hexadecimal: opaque to callers, strong, and never the same for two
versions. Source: RFC 9110, 8.8.3 and 13.1.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from raftdoc.api.request_fields import Fields
from raftdoc.errors import InvalidRequest, PreconditionFailed

_TAG: Final = re.compile(rb'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_REVISION: Final = re.compile(rb"[1-9a-f][0-9a-f]{0,15}")


class EntityTag(NamedTuple):
    is_weak: bool
    value: bytes


def tag_of(revision: int) -> bytes:
    """Return the entity tag of a revision, with its quotes."""
    return b'"%x"' % revision


def parse_tags(name: str, value: bytes) -> list[EntityTag] | None:
    """Return the entity tags of a field, None for `*`.

    Raises:
        InvalidRequest: it is no list of entity tags.
    """
    if value == b"*":
        return None
    tags: list[EntityTag] = []
    position = 0
    while match := _TAG.match(value, position):
        tags.append(EntityTag(match[1] is not None, match[2]))
        position = match.end()
        if position == len(value):
            return tags
        if value[position : position + 1] != b",":
            break
        position += 1
    raise InvalidRequest(f"{name} is an entity tag in double quotes, not {value[:60].decode('latin-1')!r}")


def revision_to_match(fields: Fields) -> int | None:
    """Return the revision that If-Match of a write names; None: there is no If-Match.

    Raises:
        InvalidRequest: it is not exactly one entity tag.
        PreconditionFailed: a tag that no document can have: a weak one never matches (RFC 9110, 13.1.1).
    """
    value = fields.get(b"if-match")
    if value is None:
        return None
    tags = parse_tags("If-Match", value)
    if tags is None or len(tags) != 1:
        raise InvalidRequest("If-Match of a write is exactly one entity tag")
    tag = tags[0]
    if tag.is_weak or _REVISION.fullmatch(tag.value) is None:
        raise PreconditionFailed(f"no document has the entity tag {value.decode('latin-1')}")
    return int(tag.value, 16)


def is_create_only(fields: Fields) -> bool:
    """Return whether a write says `If-None-Match: *`.

    Raises:
        InvalidRequest: it says If-None-Match with anything else, or If-Match as well.
    """
    value = fields.get(b"if-none-match")
    if value is None:
        return False
    if value != b"*":
        raise InvalidRequest("If-None-Match of a write can only be *")
    if b"if-match" in fields:
        raise InvalidRequest("If-Match and If-None-Match: * exclude each other")
    return True


def is_unchanged(fields: Fields, revision: int) -> bool:
    """Return whether a read is answered by 304: If-None-Match names this revision.

    Raises:
        PreconditionFailed: If-Match does not.
    """
    value = b"%x" % revision
    wanted = fields.get(b"if-match")
    if wanted is not None:
        tags = parse_tags("If-Match", wanted)
        if tags is not None and EntityTag(False, value) not in tags:
            raise PreconditionFailed(f"the entity tag is {tag_of(revision).decode()}")
    known = fields.get(b"if-none-match")
    if known is None:
        return False
    tags = parse_tags("If-None-Match", known)
    # Compared weakly, as RFC 9110, 13.1.2 has it.
    return tags is None or any(tag.value == value for tag in tags)
