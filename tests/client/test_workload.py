"""The requests of a load are well-formed HTTP and carry what the plan says."""

from __future__ import annotations

import json

import pytest

from raftdoc.client.workload import Requests, Target, Workload, document

TARGET = Target("127.0.0.1", 8101)


def requests_of(workload: Workload, **changes: int) -> Requests:
    counts = {"key_count": 10, "document_bytes": 400, "batch": 3, "seed": 1} | changes
    return Requests(workload, "bench", **counts)


def split(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ") for line in lines), body


def test_document_has_the_length_asked_for() -> None:
    assert [len(document(length)) for length in (14, 15, 400, 100_000)] == [14, 15, 400, 100_000]
    assert json.loads(document(0)) == {"a": 1, "b": ""}


def test_put_names_a_key_and_carries_the_document() -> None:
    make = requests_of("put").source(TARGET)
    first, headers, body = split(make())
    assert first.startswith("PUT /v1/dbs/bench/collections/c/docs/k")
    assert first.endswith(" HTTP/1.1")
    assert headers == {"Host": "127.0.0.1:8101", "Content-Type": "application/json", "Content-Length": "400"}
    assert len(body) == 400


def test_get_reads_every_key_that_fill_made() -> None:
    requests = requests_of("get")
    made = {json.loads(line)["_id"] for body in requests.fill(batch=4) for line in body.splitlines()}
    make = requests.source(TARGET)
    read = {split(make())[0].split("/")[-2].split()[0] for _ in range(500)}
    assert read == made == {f"k{number}" for number in range(1, 11)}


def test_scan_is_a_query_that_no_document_answers() -> None:
    first, headers, body = split(requests_of("mixed-scan").scan(TARGET)())
    assert first == "POST /v1/dbs/bench/collections/c/query HTTP/1.1"
    assert int(headers["Content-Length"]) == len(body)
    assert json.loads(body)["filter"]["a"] != json.loads(document(0))["a"]


def test_mixed_is_half_reads_and_half_writes() -> None:
    make = requests_of("mixed").source(TARGET)
    verbs = [make()[:3] for _ in range(1000)]
    assert 400 < verbs.count(b"GET") < 600


def test_bulk_never_uses_an_id_twice() -> None:
    requests = requests_of("bulk")
    make = requests.source(TARGET)
    ids = []
    for _ in range(5):
        first, headers, body = split(make())
        assert first == "POST /v1/dbs/bench/collections/c/docs HTTP/1.1"
        assert headers["Content-Type"] == "application/x-ndjson"
        assert int(headers["Content-Length"]) == len(body)
        ids += [json.loads(line)["_id"] for line in body.splitlines()]
    assert len(ids) == len(set(ids)) == 15
    assert requests.documents_per_request == 3


def test_url_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="is not a URL"):
        Target.of("127.0.0.1:8101")
    assert Target.of("http://db1:81/") == Target("db1", 81)
