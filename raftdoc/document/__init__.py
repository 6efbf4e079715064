"""JSON documents: what they may be, how they are ordered, which bytes stand for them. Pure.

    parsed = parse_document(body)                 # strict; normal bytes
    id = parsed.id or parse_id(path_segment)
    stored = with_id(parsed.normal, id)           # `_id` first
    key = id_key(id)                              # memcmp order is the order of `compare`

The caller's duties:
1. Documents are passed on as the bytes that `with_id` returned; nothing below parses them again to check them.
2. Values handed to `compare`, `sort_key` and `encode_key` came from `parse_json` or `parse_document`: they
   hold no NaN, no integer outside int64 and no Python type that JSON does not have.
3. Two ids are the same document when their `id_key` is equal; never compare ids with `==`.

4. A body of more than some 32 KiB is parsed in a thread: 10 ms per MiB that is normal, up to 250 that is not.

It does not know collections, storage or the query language.
"""

from raftdoc.document.document import (
    ParsedDocument,
    check_id,
    encode_value,
    id_key,
    parse_document,
    parse_id,
    parse_name,
    with_id,
)
from raftdoc.document.key import decode_key, encode_key
from raftdoc.document.strict_json import parse_json
from raftdoc.document.value import DocumentId, JsonValue, compare, sort_key

__all__ = [
    "DocumentId",
    "JsonValue",
    "ParsedDocument",
    "check_id",
    "compare",
    "decode_key",
    "encode_key",
    "encode_value",
    "id_key",
    "parse_document",
    "parse_id",
    "parse_json",
    "parse_name",
    "sort_key",
    "with_id",
]
