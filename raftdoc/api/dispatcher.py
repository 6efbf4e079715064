"""From a parsed request to its answer: the checks that all operations share, and the edge where errors end.

A call is answered at once where its handler answers at once, without a task and without a turn of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from raftdoc.api.answers import state_fields
from raftdoc.api.bodies import check_length, discard, has_arrived, read_whole, take
from raftdoc.api.errors import problem_response
from raftdoc.api.exchange import Call, Channel, Handler, Later, Reply, Response, Route, Streamed
from raftdoc.api.forwarding import Forwarding, is_forwarded
from raftdoc.api.http_metrics import HttpMetrics
from raftdoc.api.idempotency import note_key
from raftdoc.api.operation import JSON, PATCH_MEDIA, Body
from raftdoc.api.operations import OPERATIONS
from raftdoc.api.parsing import settle
from raftdoc.api.refusals import RefusalLog
from raftdoc.api.request_fields import (
    Fields,
    accepted_media,
    check_allowed,
    duration_ms,
    expects_continue,
    media_type,
    min_index,
    read_fields,
    request_id,
    timeout_ms,
)
from raftdoc.api.router import Router
from raftdoc.api.settings import HttpSettings
from raftdoc.api.targets import read_query, split_target
from raftdoc.database.requests import Request
from raftdoc.errors import (
    Fatal,
    InvalidRequest,
    MethodNotAllowed,
    NotHosted,
    OutcomeKind,
    RaftdocError,
    UnsupportedMediaType,
)
from raftdoc.ids import NodeId
from raftdoc.limits import NS_PER_MS, OPTIONS_BYTES_MAX

log = logging.getLogger("raftdoc.api")

Answer: TypeAlias = "Reply | Later | Awaitable[Reply]"

PLAIN_FIELDS: Final = frozenset({b"accept", b"content-length", b"content-type"})
"""Those that every operation takes and that say nothing about the request as a whole."""
JSON_ONLY: Final = (JSON,)
STREAMED_BODIES: Final = frozenset({Body.DOCUMENTS, Body.LINES})
"""Read by their handlers as they arrive."""


class Dispatcher:
    def __init__(
        self,
        *,
        node: NodeId,
        now_ns: Callable[[], int],
        handlers: Mapping[str, Handler],
        settings: HttpSettings,
        metrics: HttpMetrics,
        on_fatal: Callable[[BaseException], None],
        id_prefix: str,
        elsewhere: Callable[[str], Sequence[str]],
    ) -> None:
        """`id_prefix` names this life of the node: the ids of its requests begin with it.

        `elsewhere` returns the URLs of the nodes that have a database, where this one has not.
        """
        self._node = node
        self._now_ns = now_ns
        self._router = Router(OPERATIONS, handlers)
        self._metrics = metrics
        self._on_fatal = on_fatal
        self._timeout_ns = settings.request_timeout_ms * NS_PER_MS
        self._retention_ms = settings.idempotency_retention_ms
        self._body_bytes_max = settings.document_bytes_max
        self.waiting: set[asyncio.Future[Any]] = set()
        """Calls and streams under way."""
        self._id_prefix = id_prefix
        self._id_count = 0
        self._refusals = RefusalLog()
        self._elsewhere = elsewhere
        self._forwarding = Forwarding(node, now_ns)

    def cancel(self) -> None:
        """Give up on every call that still waits; their connections end without an answer."""
        for future in list(self.waiting):
            future.cancel()

    async def close(self) -> None:
        """Give up on what is left, writes whose clients are gone, and let go of the connections to other nodes."""
        self.cancel()
        if self.waiting:
            await asyncio.wait(self.waiting)
        await self._forwarding.close()

    # One call -------------------------------------------------------------------------------------

    def serve(self, message: RawRequestMessage, payload: StreamReader, channel: Channel) -> None:
        """Answer a request on its channel: exactly once, now or later."""
        now_ns = self._now_ns()
        call = Call(message, payload, channel, now_ns, Request(now_ns + self._timeout_ns))
        answer = self._attempt(call, self._check)
        if type(answer) is Response:
            self._respond(call, answer)
        else:
            self._answer(call, answer)

    def refuse(self, message: RawRequestMessage, channel: Channel, error: RaftdocError) -> None:
        """Answer what is no request at all."""
        now_ns = self._now_ns()
        call = Call(message, EMPTY_PAYLOAD, channel, now_ns, Request(now_ns))
        self._answer(call, self._problem(call, error))

    def _answer(self, call: Call, answer: Answer) -> None:
        kind = type(answer)
        if kind is Response or kind is Streamed:
            self._respond(call, answer)  # type: ignore[arg-type]  # told by its type
            return
        if kind is Later:
            awaitable, finish = answer  # type: ignore[misc]
        else:
            awaitable, finish = answer, _as_it_is
        future = asyncio.ensure_future(awaitable)
        self.waiting.add(future)
        future.add_done_callback(partial(self._finish, call, finish))
        if not call.route.is_write:
            # A write goes on, from its parsing on: its outcome is decided, whoever still listens.
            call.channel.watch(future)

    def _finish(self, call: Call, finish: Callable[[Call, Any], Reply], future: asyncio.Future[Any]) -> None:
        self.waiting.discard(future)
        if future.cancelled():
            # The server ends, and what became of the request is not known here; or nobody waits for a read any more.
            call.channel.abort()
            return
        self._answer(call, self._attempt(call, lambda call: finish(call, future.result())))
        if not self.waiting:
            # Nobody else is about to be answered in this turn of the loop.
            call.channel.flush()

    def _respond(self, call: Call, reply: Reply) -> None:
        status, fields, content = reply
        fields = f"{fields}{state_fields(call.request)}X-Request-Id: {call.request_id or self._name(call)}\r\n"
        self._metrics.answered(call.route.id, status, self._now_ns() - call.started_ns)
        if isinstance(content, bytes):
            call.channel.respond(call, status, fields, content)
            return
        task = asyncio.ensure_future(call.channel.stream(call, status, fields, content))
        self.waiting.add(task)
        task.add_done_callback(partial(self._streamed, call))
        if not call.route.is_write:
            call.channel.watch(task)

    def _name(self, call: Call) -> str:
        """Give a call an id that no other of this node has."""
        self._id_count += 1
        call.request_id = name = f"{self._id_prefix}-{self._id_count:x}"
        return name

    def _streamed(self, call: Call, task: asyncio.Task[None]) -> None:
        self.waiting.discard(task)
        if task.cancelled():
            call.channel.abort()
        elif (error := task.exception()) is not None:
            # Too late for a status: what lacks its last line and its last chunk is known to be cut short.
            self._bug(call, error)
            call.channel.abort()

    # Checks ---------------------------------------------------------------------------------------

    def _check(self, call: Call) -> Answer:
        message = call.message
        if message.path == "*":
            return self._other_method(call, self._router.methods)
        path, query = split_target(message.path)
        if not message.path.startswith("/"):
            # From here on the absolute form is as if it had been the other: to a retry, and to another node.
            call.message = message = message._replace(path=f"{path}?{query}" if query else path)
        call.fields = fields = read_fields(message.raw_headers)
        is_plain = fields.keys() <= PLAIN_FIELDS
        if not is_plain:
            call.request_id = request_id(fields)
        resource, call.parameters = self._router.find(path)
        route = resource.routes.get(message.method)
        if route is None:
            return self._other_method(call, resource.methods)
        call.route = route
        if query:
            call.query = read_query(query, route.query)
        if not is_plain:
            check_allowed(fields, route.fields, message.method)
            self._read_request(call)
        if route.is_bodiless:
            if fields or message.chunked:
                self._check_no_body(call, route)
        elif route.body not in STREAMED_BODIES:
            return self._with_body(call, route)
        return self._handle(call, route)

    def _read_request(self, call: Call) -> None:
        """Take the deadline and the level of consistency from the header fields."""
        fields, request = call.fields, call.request
        asked_ms = timeout_ms(fields)
        if asked_ms is not None:
            request.deadline_ns = call.started_ns + asked_ms * NS_PER_MS
        expects_continue(fields)
        request.min_index = min_index(fields)
        request.max_staleness_ms = duration_ms(fields, b"raftdoc-max-staleness")
        level = fields.get(b"raftdoc-consistency", b"linearizable")
        if level == b"stale" and not call.route.is_write:
            request.consistency = "stale"
        elif level != b"linearizable":
            raise InvalidRequest(f"Raftdoc-Consistency of this operation cannot be {level[:60].decode('latin-1')!r}")
        elif request.max_staleness_ms is not None:
            raise InvalidRequest("Raftdoc-Max-Staleness needs Raftdoc-Consistency: stale")

    def _check_no_body(self, call: Call, route: Route) -> None:
        fields = call.fields
        if call.message.chunked or fields.get(b"content-length", b"0") != b"0":
            raise InvalidRequest(f"{call.message.method} has no body here")
        if b"accept" in fields and route.media:
            accepted_media(fields, route.media)
        if b"idempotency-key" in fields:
            note_key(call, self._retention_ms)

    def _with_body(self, call: Call, route: Route) -> Answer:
        fields = call.fields
        if route.body is Body.PATCH:
            _check_patch_media(fields)
        elif route.body is Body.DOCUMENT or call.message.chunked or fields.get(b"content-length", b"0") != b"0":
            media_type(fields, JSON_ONLY)
        if b"accept" in fields:
            accepted_media(fields, route.media)
        limit = OPTIONS_BYTES_MAX if route.body is Body.OPTIONS else self._body_bytes_max
        if has_arrived(call):
            call.body = take(call, limit)
            return self._call(call, route)
        check_length(call, limit)
        return self._receive(call, route, limit)

    def _call(self, call: Call, route: Route) -> Answer:
        if b"idempotency-key" in call.fields:
            note_key(call, self._retention_ms)
        return self._handle(call, route)

    def _handle(self, call: Call, route: Route) -> Answer:
        """Have the request answered here, or by a node that has the database."""
        if route.has_database:
            urls = self._elsewhere(call.parameters[0])
            if urls and not is_forwarded(call):
                return self._forwarding.forward(call, urls)
        return route.handler(call)

    async def _receive(self, call: Call, route: Route, limit: int) -> Reply:
        call.body = await read_whole(call, limit, self._now_ns)
        answer = self._call(call, route)
        if isinstance(answer, Later):
            return await settle(call, answer)
        if isinstance(answer, Response | Streamed):
            return answer
        return await answer

    async def _discard(self, call: Call, error: RaftdocError) -> Reply:
        """Answer with a problem, and let the rest of a small body arrive first, so that the connection can go on.

        A client that waits for 100 or whose body is large or broken is answered at once, and its connection ends.
        """
        length = call.fields.get(b"content-length")
        if length is not None and int(length) <= self._body_bytes_max and b"expect" not in call.fields:
            with contextlib.suppress(RaftdocError):
                await discard(call, self._body_bytes_max, self._now_ns)
        return self._problem(call, error)

    @staticmethod
    def _other_method(call: Call, methods: tuple[str, ...]) -> Response:
        if call.message.method != "OPTIONS":
            raise MethodNotAllowed(call.message.method, methods)
        return Response(204, f"Allow: {', '.join(methods)}\r\n", b"")

    # The edge -------------------------------------------------------------------------------------

    def _attempt(self, call: Call, act: Callable[[Call], Answer]) -> Answer:
        """Return what `act` answers, or the problem that it ran into."""
        try:
            return act(call)
        except Fatal as error:
            return self._bug(call, error)
        except RaftdocError as error:
            if isinstance(error, NotHosted) and call.route.body not in STREAMED_BODIES and not is_forwarded(call):
                # The database has moved, or was made, since the request came: its nodes are known by now.
                return self._forwarding.forward(call, self._elsewhere(call.parameters[0]))
            return self._problem(call, error) if call.payload.is_eof() else self._discard(call, error)
        except Exception as error:  # noqa: BLE001  # one of the three edges, see below
            # Whatever a handler stumbles over is logged and answered, never shown.
            return self._bug(call, error)

    def _problem(self, call: Call, error: RaftdocError) -> Response:
        response = problem_response(error, node=self._node, request_id=call.request_id or self._name(call))
        self._refusals.note(call, response.status, error)
        return response

    def _bug(self, call: Call, error: BaseException) -> Response:
        """Answer 500 and log why under the same request id; what must stop the node is handed on."""
        outcome: OutcomeKind = "unknown" if call.route.is_write else "not_applied"
        detail = "an internal error; the log of this node has more under this request id"
        response = self._problem(call, RaftdocError(detail, outcome=outcome))
        log.error("request failed request_id=%s operation=%s", call.request_id, call.route.id, exc_info=error)
        if isinstance(error, AssertionError | Fatal):
            self._on_fatal(error)
        return response


def _check_patch_media(fields: Fields) -> None:
    """Check that the media type is one of a patch; the refusal says which there are."""
    try:
        media_type(fields, PATCH_MEDIA)
    except UnsupportedMediaType as error:
        error.accept_patch = PATCH_MEDIA
        raise


def _as_it_is(call: Call, reply: Reply) -> Reply:
    return reply
