"""A first walk through raftdoc with nothing but the standard library.

    raftdoc dev                          # in another terminal
    python examples/quickstart.py        # other nodes: python examples/quickstart.py http://127.0.0.1:9101 ...

It writes on one node and reads on another, replaces a document only if nobody else did, and shows that a write which
is sent twice under one idempotency key happens once.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
import uuid
from email.message import Message
from typing import Any, NamedTuple

NODES = sys.argv[1:] or ["http://127.0.0.1:8101", "http://127.0.0.1:8102", "http://127.0.0.1:8103"]
ORDERS = "/v1/dbs/quickstart/collections/orders"


class Answer(NamedTuple):
    status: int
    headers: Message
    body: Any


def call(node: str, method: str, path: str, document: Any = None, **headers: str) -> Answer:
    """Send one request; header names are written with underscores. An error status is an answer like any other."""
    data = None if document is None else json.dumps(document).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        sent.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(node + path, data=data, method=method, headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=15) as response:
            return Answer(response.status, response.headers, json.loads(response.read() or b"null"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, json.loads(error.read() or b"null"))


def expect(answer: Answer, *statuses: int) -> Answer:
    if answer.status not in statuses:
        raise SystemExit(f"expected status {statuses}, got {answer.status}: {answer.body}")
    return answer


def main() -> None:
    first, last = NODES[0], NODES[-1]

    expect(call(first, "PUT", "/v1/dbs/quickstart", {}), 200, 201)
    print("database quickstart is there")

    put = expect(call(first, "PUT", f"{ORDERS}/docs/42", {"customer": "ada", "total": 9.5}), 200, 201)
    got = expect(call(last, "GET", f"{ORDERS}/docs/42"), 200)
    print(f"written on {put.headers['Raftdoc-Node']}, read on {got.headers['Raftdoc-Node']}: {got.body}")

    changed = {**got.body, "total": 12.0}
    expect(call(last, "PUT", f"{ORDERS}/docs/42", changed, If_Match=got.headers["ETag"]), 200)
    late = expect(call(first, "PUT", f"{ORDERS}/docs/42", changed, If_Match=got.headers["ETag"]), 412)
    print(f"replaced once; the second to try with the same ETag is told: {late.body['title']}")

    # A client that lost the answer sends the same request again, to any node: it happens once.
    key = str(uuid.uuid4())
    created = expect(call(first, "POST", f"{ORDERS}/docs", {"customer": "bob"}, Idempotency_Key=key), 201)
    again = expect(call(last, "POST", f"{ORDERS}/docs", {"customer": "bob"}, Idempotency_Key=key), 201)
    assert again.headers["Location"] == created.headers["Location"], (again.headers, created.headers)
    print(
        f"sent twice, created once: {created.headers['Location']} (replayed: {again.headers['Idempotency-Replayed']})"
    )

    listed = expect(call(last, "GET", f"{ORDERS}/docs?limit=10"), 200)
    print(f"{len(listed.body['documents'])} documents: {[document['_id'] for document in listed.body['documents']]}")

    expect(call(last, "DELETE", f"{ORDERS}/docs/42"), 204)
    gone = expect(call(first, "GET", f"{ORDERS}/docs/42"), 404)
    print(f"deleted: {gone.body['code']}")


if __name__ == "__main__":
    main()
