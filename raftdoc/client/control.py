"""Plain control calls to a node: blocking, one connection each, for commands that make a few of them."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any, NamedTuple

CALL_TIMEOUT_S = 10.0


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class NodeUnreachable(ConnectionError):
    """No HTTP answer came: nothing listens there, or it is no raftdoc node."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(f"{url} does not answer: {reason}")
        self.url = url


def call(
    method: str, url: str, body: bytes | None = None, *, timeout_s: float = CALL_TIMEOUT_S, **headers: str
) -> Answer:
    """Return the answer, whatever its status. Header names are written with underscores: `content_type=...`.

    Raises:
        NodeUnreachable: no answer came.
    """
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return Answer(response.status, _lower(response.headers.items()), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers.items()), error.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise NodeUnreachable(url, reason) from error


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def first_answer(urls: Iterable[str], path: str) -> Answer:
    """Return the 200 answer of the first node that gives one to `GET path`.

    Raises:
        NodeUnreachable: none did; says what became of the last.
    """
    failure: NodeUnreachable | None = None
    for url in urls:
        try:
            answer = call("GET", url + path)
        except NodeUnreachable as error:
            failure = error
        else:
            if answer.status == http.HTTPStatus.OK:
                return answer
            failure = NodeUnreachable(
                url + path, f"status {answer.status}: {answer.body[:200].decode(errors='replace')}"
            )
    raise failure or NodeUnreachable("(no URL)", "no URL was given")


def leader_url(cluster: dict[str, Any], database: str) -> str | None:
    """Return the URL of the node that leads the database's home group, from the body of `GET /v1/cluster`."""
    leader = next(
        (group.get("leader") for group in cluster.get("groups", []) if group.get("database") == database), None
    )
    return next((str(m["http"]).rstrip("/") for m in cluster.get("members", []) if leader and m["id"] == leader), None)
