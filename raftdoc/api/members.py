"""The members of the cluster: who they are, how one comes and goes, who has what, and how far that is."""

from __future__ import annotations

from typing import Any, Final

from raftdoc.api.answers import json_response
from raftdoc.api.backend import ClusterBackend
from raftdoc.api.cluster import members_of
from raftdoc.api.exchange import Call, Response
from raftdoc.database.requests import JoiningNode, MembershipInfo, RebalancingStep
from raftdoc.document import parse_name
from raftdoc.errors import InvalidName, InvalidRequest, InvalidSettings
from raftdoc.ids import ClusterId, NodeId, StoreId
from raftdoc.transport.transport import parse_address

OPERATIONS_PATH: Final = "/v1/operations"
JOIN_MEMBERS: Final = ("id", "store_id", "cluster_id", "http", "peer", "host")
TEXT_CHARS_MAX: Final = 1024


class Members:
    def __init__(self, backend: ClusterBackend) -> None:
        self._backend = backend

    async def list(self, call: Call) -> Response:
        members = await self._backend.members(call.request)
        return json_response({"members": [_shown(member) for member in members]})

    async def get(self, call: Call) -> Response:
        return json_response(_shown(await self._backend.member(call.request, _node(call.parameters[0]))))

    async def add(self, call: Call) -> Response:
        outcome, member = await self._backend.add_member(call.request, _joining(call))
        return _changed("join", member, 202 if outcome.created else 200)

    async def remove(self, call: Call) -> Response:
        return _changed("remove", await self._backend.remove_member(call.request, _node(call.parameters[0])))

    async def drain(self, call: Call) -> Response:
        """`{"node": "n2"}`; with `"undo": true` it may have replicas again."""
        body = members_of(call, ("node", "undo"))
        undo = _flag(body, "undo")
        node = _node(_text(body, "node"), pointer="/node")
        return _changed("drain", await self._backend.drain_member(call.request, node, undo=undo))

    async def rebalance(self, call: Call) -> Response:
        """With `{"dry_run": true}` it is only said what there is to do."""
        dry_run = _flag(members_of(call, ("dry_run",)), "dry_run")
        info = await self._backend.rebalance(call.request, dry_run=dry_run)
        steps = [_step(step) for step in info.steps]
        shown = {"moves": len(steps), "steps": steps, "operation": info.operation}
        if info.operation is None:
            return json_response(shown)
        return json_response(shown, 202, f"Location: {OPERATIONS_PATH}/{info.operation}\r\n")

    async def operation(self, call: Call) -> Response:
        info = await self._backend.operation(call.request, call.parameters[0])
        return json_response(info._asdict())


def _joining(call: Call) -> JoiningNode:
    body = members_of(call, JOIN_MEMBERS)
    texts = {name: _text(body, name) for name in JOIN_MEMBERS}
    try:
        parse_address(texts["peer"])
    except InvalidSettings as error:
        raise InvalidRequest(error.detail, pointer="/peer") from None
    if not texts["http"].startswith(("http://", "https://")):
        raise InvalidRequest("http is a URL", pointer="/http")
    return JoiningNode(
        id=_node(texts["id"], pointer="/id"),
        store_id=StoreId(texts["store_id"]),
        cluster_id=ClusterId(texts["cluster_id"]),
        http=texts["http"].rstrip("/"),
        peer=texts["peer"],
        host=texts["host"],
    )


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_CHARS_MAX:
        raise InvalidRequest(f"{name} is a text of 1 to {TEXT_CHARS_MAX} characters", pointer=f"/{name}")
    return value


def _flag(body: dict[str, object], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} is true or false", pointer=f"/{name}")
    return value


def _node(text: str, pointer: str | None = None) -> NodeId:
    try:
        return NodeId(parse_name(text))
    except InvalidName as error:
        raise InvalidName(f"{text[:100]!r} is no id of a node: {error.detail}", pointer=pointer) from None


def _changed(kind: str, member: MembershipInfo, status: int = 202) -> Response:
    operation = f"{kind}-{member.id}"
    fields = f"Location: {OPERATIONS_PATH}/{operation}\r\n"
    return json_response({"member": _shown(member), "operation": operation}, status, fields)


def _shown(member: MembershipInfo) -> dict[str, Any]:
    return member._asdict()


def _step(step: RebalancingStep) -> dict[str, Any]:
    return {
        "group": step.group,
        "database": step.database,
        "kind": step.kind,
        "from": step.source,
        "to": step.target,
        "why": step.why,
    }
