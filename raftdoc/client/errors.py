"""Every exception of the client, in one tree.

    RaftdocError                        carries code, status, retryable, outcome, problem, node, request_id
    ├── InvalidUse                      the calling code: a closed client, another event loop, a value JSON has not
    ├── Unreachable                     no node could be reached; nothing was sent
    │   └── Untrusted                   a node's certificate is not to be trusted, or it speaks no TLS
    ├── InvalidAnswer                   what answered does not speak raftdoc's API: garbage, a proxy, a redirect
    │   └── Lost · TimedOut             the connection ended, or no answer came in the time of one attempt
    ├── WrongCluster                    the addresses belong to more than one cluster
    ├── OutcomeUnknown                  the write may or may not have happened: look up `idempotency_key`
    ├── DeadlineExceeded                the call's deadline passed; a write certainly did not happen
    ├── BulkWriteError                  some operations of many failed: `results` has one entry each
    └── Refused                         a node answered with a problem
        ├── InvalidRequest              400, 405, 406, 413, 415, 422, ...
        ├── NotFound                    404
        ├── Conflict                    409
        │   └── DuplicateKey
        ├── PreconditionFailed          412
        └── Unavailable                 503, 507: nothing was done; retries were used up

`outcome` says what became of a write: `applied`, `not_applied` or `unknown`, and is never wrong. An exception is
pickled with all it carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

OUTCOMES: Final = ("applied", "not_applied", "unknown")


class RaftdocError(Exception):
    """The root of the tree."""

    code: str = "client_error"
    retryable: bool = False
    outcome: str = "not_applied"

    def __init__(self, detail: str, **attributes: Any) -> None:
        """`attributes` are those named below; what is not given has the default of the class."""
        super().__init__(detail)
        self.detail = detail
        self.status: int | None = None
        """Of the HTTP answer, if one came."""
        self.problem: Mapping[str, Any] | None = None
        """The whole problem document, if one came."""
        self.node: str | None = None
        self.request_id: str | None = None
        self.idempotency_key: str | None = None
        """Under which the write was sent."""
        self.retry_after_s = 0.0
        """What the node asked to wait before the next attempt."""
        for name, value in attributes.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.detail,), vars(self)


class InvalidUse(RaftdocError):
    code = "invalid_use"


class Unreachable(RaftdocError):
    code = "unreachable"
    retryable = True


class Untrusted(Unreachable):
    code = "untrusted"
    retryable = False


class InvalidAnswer(RaftdocError):
    code = "invalid_answer"
    outcome = "unknown"


class Lost(InvalidAnswer):
    """The connection ended before the answer was whole."""

    code = "connection_lost"
    retryable = True


class TimedOut(Lost):
    """No answer of a read in the time of one attempt."""

    code = "timed_out"


class WrongCluster(RaftdocError):
    code = "wrong_cluster"


class OutcomeUnknown(RaftdocError):
    code = "outcome_unknown"
    outcome = "unknown"


class DeadlineExceeded(RaftdocError):
    code = "deadline_exceeded"
    retryable = True


class BulkWriteError(RaftdocError):
    """`results` has what became of each operation, in order; `write_errors` those that failed, with their position."""

    code = "bulk_write"
    results: Sequence[Any] = ()

    @property
    def write_errors(self) -> list[tuple[int, Mapping[str, Any]]]:
        return [(position, result.error) for position, result in enumerate(self.results) if result.error is not None]


class Refused(RaftdocError):
    """A problem that a node answered. `code`, `retryable` and `outcome` are the problem's own."""

    statuses: ClassVar[Sequence[int]] = ()


class InvalidRequest(Refused):
    statuses = (400, 401, 403, 405, 406, 410, 413, 415, 417, 422, 428, 431)


class NotFound(Refused):
    statuses = (404,)


class missing_is_answer:  # noqa: N801  # used as contextlib.suppress is
    """Let a NotFound with one of these codes pass: what comes after the block is the answer then."""

    def __init__(self, *codes: str) -> None:
        self._codes = codes

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, NotFound) and error.code in self._codes


class Conflict(Refused):
    statuses = (409,)


class DuplicateKey(Conflict):
    """A document with this `_id`, or with this key in a unique index, exists."""


class PreconditionFailed(Refused):
    statuses = (412,)


class Unavailable(Refused):
    statuses = (429, 503, 507)


_BY_CODE: Final[dict[str, type[RaftdocError]]] = {
    "duplicate_key": DuplicateKey,
    "outcome_unknown": OutcomeUnknown,
    "deadline_exceeded": DeadlineExceeded,
}
_BY_STATUS: Final[dict[int, type[Refused]]] = {
    status: cls
    for cls in (InvalidRequest, NotFound, Conflict, PreconditionFailed, Unavailable)
    for status in cls.statuses
}


def error_of_problem(status: int, problem: Mapping[str, Any], **attributes: Any) -> RaftdocError:
    """Return the exception for an answer of `application/problem+json`."""
    code, outcome = str(problem.get("code", "internal")), problem.get("outcome")
    if outcome not in OUTCOMES:
        outcome = "unknown"
    cls = _BY_CODE.get(code) or _BY_STATUS.get(status, Refused)
    if cls is DeadlineExceeded and outcome == "unknown":
        cls = OutcomeUnknown
    return cls(
        str(problem.get("detail") or problem.get("title") or code),
        code=code,
        status=status,
        retryable=problem.get("retryable") is True,
        outcome=outcome,
        problem=dict(problem),
        node=problem.get("node"),
        request_id=problem.get("request_id"),
        **attributes,
    )
