"""Every error has a status, a code and a true outcome."""

from __future__ import annotations

import json

import pytest

from raftdoc import errors
from raftdoc.api.errors import STATUS, problem_response, status_of, status_of_code, title_of_code
from raftdoc.api.schemas import codes
from raftdoc.errors import CATALOGUE, RaftdocError
from raftdoc.ids import GroupId, Index, NodeId

EXPECTED = {
    "internal": 500,
    "invalid_request": 400,
    "malformed_json": 400,
    "malformed_http": 400,
    "invalid_line": 400,
    "invalid_document": 422,
    "not_indexable": 422,
    "invalid_id": 400,
    "invalid_name": 400,
    "unknown_option": 400,
    "invalid_cursor": 400,
    "query_over_budget": 400,
    "index_required": 400,
    "invalid_query": 400,
    "invalid_patch": 400,
    "key_ahead": 400,
    "too_large": 413,
    "headers_too_large": 431,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "unsupported_media_type": 415,
    "unsupported_expectation": 417,
    "conflict": 409,
    "duplicate_key": 409,
    "patch_conflict": 409,
    "membership_refused": 409,
    "other_cluster": 409,
    "node_id_used": 409,
    "node_unreachable": 409,
    "quorum_at_risk": 409,
    "change_pending": 409,
    "limit_reached": 409,
    "precondition_failed": 412,
    "update_refused": 422,
    "key_reused": 422,
    "key_expired": 422,
    "unavailable": 503,
    "not_leader": 503,
    "no_leader": 503,
    "not_hosted": 503,
    "over_budget": 503,
    "draining": 503,
    "not_ready": 503,
    "staleness_not_met": 503,
    "deadline_exceeded": 504,
    "outcome_unknown": 503,
    "disk_full": 507,
    "compacted": 410,
}

MISSING = ("database", "collection", "document", "index", "operation", "request", "group", "node", "path")

EXAMPLES = [
    errors.MalformedJson("line 1, column 2"),
    errors.UnknownOption("there is no option 'x'", pointer="/x"),
    errors.TooLarge("the body", limit=7),
    errors.InvalidQuery("unknown operator '$x'", pointer="/filter/a/$x", mongo_code=2),
    errors.NotIndexable("index a: arrays in parallel", index="a", mongo_code=171),
    errors.DuplicateKey("a document with this key exists", index="a", key='{"a":1}'),
    errors.InvalidLine(3, errors.MalformedJson("line 1, column 2", pointer="/a")),
    errors.MethodNotAllowed("PATCH", ("GET", "HEAD")),
    errors.NotFound("document", "42"),
    errors.KeyExpired("too old"),
    errors.NotLeader(GroupId(7), NodeId("n2")),
    errors.NotLeader(GroupId(7), None),
    errors.NotReady(("this", "that")),
    errors.OutcomeUnknown("lost sight of it"),
    errors.DiskFull("64 KiB left"),
    errors.Compacted(Index(3), Index(9)),
    RaftdocError("an internal error", outcome="unknown"),
]


def test_every_code_has_the_status_that_is_documented() -> None:
    shown = {code: cls for code, cls in CATALOGUE.items() if not issubclass(cls, errors.Fatal)}
    assert {code: status_of(cls) for code, cls in shown.items()} == EXPECTED
    assert {code: status_of_code(code) for code in shown} == EXPECTED
    assert set(codes()) == set(EXPECTED) | {f"{what}_not_found" for what in MISSING}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_404_by_its_code_too(what: str) -> None:
    assert (status_of_code(f"{what}_not_found"), title_of_code(f"{what}_not_found")) == (404, "Not found")


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: error.code)
def test_a_problem_says_what_the_error_says(error: RaftdocError) -> None:
    response = problem_response(error, node=NodeId("n1"), request_id="r-1")
    problem = json.loads(response.body)
    assert response.status == problem["status"] == status_of(type(error))
    assert problem["type"] == "urn:raftdoc:problem:" + error.code.replace("_", "-")
    assert (problem["code"], problem["detail"], problem["title"]) == (error.code, error.detail, error.title)
    assert (problem["retryable"], problem["outcome"]) == (error.retryable, error.outcome)
    assert (problem["node"], problem["request_id"]) == ("n1", "r-1")


def test_data_of_an_error_are_members() -> None:
    problems = {
        error.code: json.loads(problem_response(error, node=NodeId("n1"), request_id="r").body) for error in EXAMPLES
    }
    assert problems["too_large"]["limit"] == 7
    assert problems["compacted"]["first"] == 9
    assert problems["invalid_query"]["mongo_code"] == 2
    assert problems["unknown_option"]["errors"] == [{"pointer": "/x", "detail": "there is no option 'x'"}]
    assert problems["invalid_line"]["errors"] == [
        {"line": 3, "code": "malformed_json", "detail": "line 1, column 2", "pointer": "/a"}
    ]


def test_fields_tell_when_to_come_again_and_which_methods_there_are() -> None:
    def fields(error: RaftdocError) -> str:
        return problem_response(error, node=NodeId("n1"), request_id="r").fields

    assert "Retry-After: 1\r\n" in fields(errors.NotLeader(GroupId(1), None))
    assert "Retry-After: 3\r\n" in fields(errors.OverBudget("full", retry_after_ms=2001))
    assert "Retry-After: 1\r\n" in fields(errors.DiskFull("full"))
    assert "Retry-After" not in fields(errors.DeadlineExceeded("late"))
    assert "Allow: GET, HEAD\r\n" in fields(errors.MethodNotAllowed("PATCH", ("GET", "HEAD")))
    replayed = errors.PreconditionFailed("no")
    replayed.replayed = True
    assert "Idempotency-Replayed: true\r\n" in fields(replayed)


def test_the_table_has_no_class_that_its_parent_covers() -> None:
    for cls, status in STATUS.items():
        parents = [above for above in cls.__mro__[1:] if above in STATUS]
        assert not parents or STATUS[parents[0]] != status or cls is errors.Fatal, cls
