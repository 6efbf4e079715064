"""A new node asks a running one to be let in, and asks again until it is, or is told that it never will be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from raftdoc.api.other_nodes import NodeAnswer, ask_node
from raftdoc.errors import ChangePending, JoinRefused, NodeUnreachable, Unavailable
from raftdoc.ids import NodeId, StoreId
from raftdoc.server.settings import Settings

log = logging.getLogger("raftdoc.server")

ASK_AGAIN_S: Final = 0.5
ASKED_AGAIN: Final = frozenset({ChangePending.code, NodeUnreachable.code})
"""Refusals that may end by themselves."""
MEMBERS_PATH: Final = "/v1/cluster/members"


async def ask_to_join(settings: Settings, store_id: StoreId) -> Mapping[NodeId, str]:
    """Return where the nodes of the cluster listen to each other, once it has let this node in.

    Asking again changes nothing: the cluster knows a node by its data directory.

    Raises:
        JoinRefused: it never will.
    """
    shown = ""
    while True:
        try:
            answer = await _ask(settings, store_id)
            if answer.status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
                log.info("the cluster lets this node in url=%s", settings.join)
                return await _addresses(settings.join)
            reason = answer.detail
        except Unavailable as error:
            reason = error.detail
        if reason != shown:
            log.warning("not let in yet url=%s reason=%s", settings.join, reason)
            shown = reason
        await asyncio.sleep(ASK_AGAIN_S)


async def _ask(settings: Settings, store_id: StoreId) -> NodeAnswer:
    body = {
        "id": settings.node,
        "store_id": store_id,
        "cluster_id": settings.cluster_id,
        "http": settings.http_advertise,
        "peer": settings.peer_advertise,
        "host": settings.host,
    }
    answer = await ask_node("POST", settings.join + MEMBERS_PATH, body)
    is_refusal = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_refusal and answer.code not in ASKED_AGAIN:
        raise JoinRefused(f"{settings.join} says: {answer.detail}")
    return answer


async def _addresses(url: str) -> dict[NodeId, str]:
    answer = await ask_node("GET", url + MEMBERS_PATH)
    if answer.status != HTTPStatus.OK:
        raise Unavailable(answer.detail)
    return {NodeId(m["id"]): str(m["peer"]) for m in answer.body["members"] if m["state"] != "removed"}
