"""Everything that the HTTP API has is reachable, and does over real nodes what its name says."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from raftdoc.client import errors
from raftdoc.client.blocking import Database
from raftdoc.client.client import AsyncClient
from raftdoc.client.collection import AsyncCollection
from raftdoc.client.cursor import AsyncCursor
from raftdoc.client.database import AsyncDatabase
from raftdoc.client.operations import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from raftdoc.testing import LocalCluster

REACHED_BY: dict[str, list[object]] = {
    "list_databases": [AsyncClient.databases],
    "create_database": [AsyncClient.create_database],
    "get_database": [AsyncDatabase.info],
    "delete_database": [AsyncClient.drop_database],
    "list_collections": [AsyncDatabase.collections],
    "create_collection": [AsyncDatabase.create_collection],
    "get_collection": [AsyncCollection.estimated_document_count],
    "delete_collection": [AsyncDatabase.drop_collection],
    "list_documents": [AsyncCollection.find],
    "create_documents": [AsyncCollection.insert_one, AsyncCollection.insert_many],
    "get_document": [AsyncCollection.get, AsyncCollection.exists],
    "put_document": [AsyncCollection.put],
    "patch_document": [AsyncCollection.patch],
    "delete_document": [AsyncCollection.delete],
    "update_documents": [AsyncCollection.update_one, AsyncCollection.update_many, AsyncCollection.replace_one],
    "delete_documents": [AsyncCollection.delete_one, AsyncCollection.delete_many],
    "find_and_modify": [
        AsyncCollection.find_one_and_update,
        AsyncCollection.find_one_and_replace,
        AsyncCollection.find_one_and_delete,
    ],
    "write_bulk": [AsyncCollection.bulk_write],
    "query_documents": [AsyncCollection.find, AsyncCollection.find_one],
    "count_documents": [AsyncCollection.count_documents],
    "distinct_values": [AsyncCollection.distinct],
    "aggregate_documents": [AsyncCollection.aggregate],
    "explain_query": [AsyncCursor.explain],
    "get_documents": [AsyncCollection.get_many],
    "list_indexes": [AsyncCollection.indexes],
    "create_index": [AsyncCollection.create_index],
    "get_index": [AsyncCollection.index],
    "delete_index": [AsyncCollection.drop_index],
    "get_request": [AsyncClient.request_outcome],
    "get_catalog_request": [AsyncClient.request_outcome],
    "get_cluster": [AsyncClient.cluster],
    "list_groups": [AsyncClient.cluster],
    "transfer_leader": [AsyncClient.transfer_leader],
    "list_members": [AsyncClient.members],
    "add_member": [AsyncClient.add_member],
    "get_member": [AsyncClient.member],
    "remove_member": [AsyncClient.remove_member],
    "drain_member": [AsyncClient.drain],
    "rebalance": [AsyncClient.rebalance],
    "get_operation": [AsyncClient.operation],
    "livez": [AsyncClient.call],
    "readyz": [AsyncClient.call],
    "metrics": [AsyncClient.call],
    "openapi": [AsyncClient.call],
}


@pytest.mark.processes
def test_every_operation_that_a_node_describes_is_reachable(raftdoc_cluster: LocalCluster) -> None:
    with urllib.request.urlopen(raftdoc_cluster.urls[0] + "/openapi.json", timeout=10) as answer:
        paths: dict[str, dict[str, Any]] = json.load(answer)["paths"]
    methods = [method for path in paths.values() for method in path.values() if "operationId" in method]
    # HEAD is GET without the body: to the client one call.
    assert {method["operationId"].removesuffix("_head") for method in methods} == REACHED_BY.keys()


@pytest.mark.processes
def test_one_document_by_its_id(raftdoc_database: Database) -> None:
    docs = raftdoc_database.collection("c")
    first = docs.put("a/b", {"x": 1})
    assert first.created
    assert docs.patch("a/b", {"y": 2}, if_revision=first.revision).revision != first.revision
    assert docs.patch("a/b", [{"op": "test", "path": "/y", "value": 2}, {"op": "remove", "path": "/x"}]).id == "a/b"
    assert docs.get("a/b") == {"_id": "a/b", "y": 2}
    with pytest.raises(errors.PreconditionFailed):
        docs.delete("a/b", if_revision=first.revision)
    with pytest.raises(errors.Conflict):
        docs.patch("a/b", [{"op": "test", "path": "/y", "value": 3}])
    assert (docs.delete("a/b"), docs.delete("a/b"), docs.exists("a/b")) == (True, False, False)


@pytest.mark.processes
def test_updates_and_deletions_by_filter(raftdoc_database: Database) -> None:
    docs = raftdoc_database.collection("c")
    docs.insert_many([{"_id": n, "qty": n, "state": "new"} for n in range(6)])
    assert docs.update_many({"qty": {"$gte": 3}}, {"$set": {"state": "seen"}}).modified_count == 3
    assert docs.update_one({"_id": 9}, {"$inc": {"qty": 9}}, upsert=True).upserted_id == 9
    assert docs.replace_one({"_id": 0}, {"qty": 100}).modified_count == 1
    after = docs.find_one_and_update({"state": "seen"}, {"$inc": {"qty": 1}}, sort="qty", return_after=True)
    assert after == {"_id": 3, "qty": 4, "state": "seen"}
    assert docs.find_one_and_delete({"_id": 5}) == {"_id": 5, "qty": 5, "state": "seen"}
    assert docs.delete_one({"state": "new"}).deleted_count == 1
    assert docs.delete_many({"state": "new"}).deleted_count == 1
    with pytest.raises(errors.InvalidUse):
        docs.replace_one({"_id": 0}, {"$set": {"a": 1}})


@pytest.mark.processes
def test_bulks_say_of_each_operation_what_became_of_it(raftdoc_database: Database) -> None:
    docs = raftdoc_database.collection("c")
    result = docs.bulk_write(
        [
            InsertOne({"_id": "a", "qty": 1}),
            ReplaceOne({"_id": "b"}, {"qty": 2}, upsert=True),
            UpdateOne({"_id": "a", "qty": {"$lt": 9}}, {"$inc": {"qty": 1}}),
            DeleteOne({"_id": "b"}),
        ]
    )
    assert (result.inserted_count, result.upserted_count, result.modified_count, result.deleted_count) == (1, 1, 1, 1)
    with pytest.raises(errors.BulkWriteError) as caught:
        docs.bulk_write([InsertOne({"_id": "z"}), InsertOne({"_id": "a"}), InsertOne({"_id": "y"})], ordered=False)
    assert [position for position, _ in caught.value.write_errors] == [1]
    assert docs.exists("y")


@pytest.mark.processes
def test_indexes_are_made_shown_and_dropped(raftdoc_database: Database) -> None:
    docs = raftdoc_database.collection("c")
    docs.put("a", {"email": "x"})
    name = docs.create_index("email", unique=True)
    assert name in [index["name"] for index in docs.indexes()]
    assert docs.index(name)["unique"]
    assert (docs.drop_index(name), docs.drop_index(name)) == (True, False)


@pytest.mark.processes
def test_queries(raftdoc_database: Database) -> None:
    docs = raftdoc_database.collection("c")
    docs.insert_many([{"_id": n, "qty": n % 5, "text": "x" * 200} for n in range(2500)])
    found = docs.find({"qty": {"$gte": 3}}, ["qty"]).sort([("qty", -1), ("_id", 1)])
    assert found.limit(3).to_list() == [{"_id": 4, "qty": 4}, {"_id": 9, "qty": 4}, {"_id": 14, "qty": 4}]
    assert len(list(docs.find())) == 2500
    assert [d["_id"] for d in docs.find({"qty": 1}, limit=3, skip=2)] == [11, 16, 21]
    assert docs.find_one({"_id": 7}) == {"_id": 7, "qty": 2, "text": "x" * 200}
    assert docs.find({"qty": 99}).first() is None
    assert docs.count_documents({"qty": 0}) == 500
    assert docs.estimated_document_count() == 2500
    assert sorted(docs.distinct("qty")) == [0, 1, 2, 3, 4]
    groups = docs.aggregate([{"$group": {"_id": "$qty", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}])
    assert groups == [{"_id": n, "n": 500} for n in range(5)]
    assert [d["_id"] for d in docs.get_many([3, 9999, 1])] == [3, 1]
    assert docs.find({"qty": 3}).explain()
    with pytest.raises(errors.InvalidRequest) as caught:
        docs.find({"qty": {"$near": 3}}).to_list()
    assert caught.value.code == "invalid_query"
