"""Plain HTTP to other nodes of the cluster: to ask one for something, under a deadline."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import aiohttp
import orjson

from raftdoc.errors import Unavailable

CALL_TIMEOUT_S: Final = 15.0
ANSWER_BYTES_MAX: Final = 4 << 20


class NodeAnswer(NamedTuple):
    status: int
    body: Any
    """Decoded JSON; an empty object where there is none."""

    @property
    def code(self) -> str:
        """Return the code of a problem, or nothing."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""

    @property
    def detail(self) -> str:
        if isinstance(self.body, dict) and "detail" in self.body:
            return str(self.body["detail"])
        return f"status {self.status}"


async def ask_node(method: str, url: str, body: dict[str, Any] | None = None) -> NodeAnswer:
    """Return what a node answers, whatever its status.

    Raises:
        Unavailable: it does not answer, or not as a node does.
    """
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
    headers = {"Content-Type": "application/json"} if body is not None else None
    data = None if body is None else orjson.dumps(body)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, url, data=data, headers=headers, allow_redirects=False) as response,
        ):
            text = await response.content.read(ANSWER_BYTES_MAX)
            return NodeAnswer(response.status, orjson.loads(text) if text else {})
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise Unavailable(f"{url} does not answer as a node does: {str(error) or type(error).__name__}") from error
