"""Commands: bytes that never change, because logs hold them."""

from __future__ import annotations

import re

import msgpack
import pytest

from raftdoc.document import id_key
from raftdoc.errors import TooLarge
from raftdoc.ids import ClusterId, GroupId, NodeId, StoreId
from raftdoc.query.index_definition import parse_index_definition
from raftdoc.statemachine import commands, update_steps
from raftdoc.statemachine.catalog_commands import CATALOG_HANDLERS
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.database_commands import CLOSED_HANDLERS, OPEN_HANDLERS
from raftdoc.statemachine.outcome import Idempotency
from raftdoc.statemachine.update_steps import Aim, Answer, ChangeKind, Mode

KEY = Idempotency("k", b"f" * 16, 7)
DOCUMENT = b'{"_id":"a"}'
A = id_key("a")

EXAMPLES = [
    (commands.put("c", "a", DOCUMENT), [1, 1, None, "c", A, DOCUMENT]),
    (commands.put("c", "a", DOCUMENT, idempotency=KEY), [1, 1, ["k", b"f" * 16, 7], "c", A, DOCUMENT]),
    (commands.put("c", "a", DOCUMENT, if_match=9), [2, 1, None, "c", A, DOCUMENT, 9]),
    (commands.put("c", "a", DOCUMENT, if_none_match=True), [2, 1, None, "c", A, DOCUMENT, 0]),
    (commands.put("c", "a", DOCUMENT, if_match=9, if_none_match=True), [2, 1, None, "c", A, DOCUMENT, -1]),
    (commands.put("c", "a", DOCUMENT, if_match=0), [2, 1, None, "c", A, DOCUMENT, -1]),
    (commands.put("c", "a", DOCUMENT, if_match=1 << 64), [2, 1, None, "c", A, DOCUMENT, -1]),
    (commands.delete("c", "a", if_match=-5), [5, 1, None, "c", A, -1]),
    (commands.create("c", "a", DOCUMENT), [3, 1, None, "c", A, DOCUMENT]),
    (commands.create_many("c", [("a", DOCUMENT)], atomic=True), [4, 1, None, "c", [A, DOCUMENT], True]),
    (commands.delete("c", "a"), [5, 1, None, "c", A, None]),
    (commands.delete("c", "a", if_match=9), [5, 1, None, "c", A, 9]),
    (
        commands.modify(
            "c",
            update_steps.update(A, expected=9, base=DOCUMENT),
            [update_steps.change(ChangeKind.UPDATE, {"$inc": {"n": 1}}, guard={"n": 1})],
            answer=Answer.AFTER,
            bytes_max=90,
            aim=Aim.FOUND,
        ),
        [6, 1, None, "c", [[0, b'{"$inc":{"n":1}}', None, b'{"n":1}']], [2, A, 9, 0, DOCUMENT], 2, 90, 1],
    ),
    (
        commands.write_many(
            "c",
            [
                update_steps.insert("a", DOCUMENT),
                update_steps.replace(A, DOCUMENT, upsert=True),
                update_steps.delete(A, expected=0),
            ],
            mode=Mode.ATOMIC,
            resume=b"r",
            bytes_max=90,
        ),
        [7, 1, None, "c", [], [[0, A, DOCUMENT], [1, A, None, DOCUMENT, True], [3, A, 0, -1]], 2, b"r", 90],
    ),
    (commands.create_collection("c", {"b": 1, "a": 2}), [32, 1, None, "c", b'{"a":2,"b":1}']),
    (commands.drop_collection("c"), [33, 1, None, "c"]),
    (commands.sweep(10), [34, 1, None, 10]),
    (
        commands.create_index("c", parse_index_definition({"fields": {"b": 1, "a": -1}, "unique": True})),
        [35, 1, None, "c", b'{"name":"b_1_a_-1","fields":{"b":1,"a":-1},"unique":true}'],
    ),
    (commands.drop_index("c", "b_1"), [36, 1, None, "c", "b_1"]),
    (commands.build_index("c", 2, 3, b"", A), [37, 1, None, "c", 2, 3, b"", A]),
    (commands.build_index("c", 2, 3, A, None), [37, 1, None, "c", 2, 3, A, None]),
    (commands.expire("c", 2, 3, 64), [38, 1, None, "c", 2, 3, 64]),
    (commands.close_database("d"), [48, 1, None, "d"]),
    (commands.initialise(ClusterId("x"), b"k" * 32), [64, 1, None, "x", b"k" * 32]),
    (
        commands.register_node(NodeId("n"), StoreId("s"), http="u", peer="p", host="h"),
        [65, 1, None, "n", "s", "u", "p", "h"],
    ),
    (
        commands.create_database("d", None, replicas=[NodeId("n")], preferred_leader=NodeId("n")),
        [66, 1, None, "d", b"{}", ["n"], "n", 3],
    ),
    (commands.drop_database("d"), [67, 1, None, "d"]),
    (commands.forget_database("d", GroupId(3)), [68, 1, None, "d", 3]),
    (
        commands.add_node(ClusterId("x"), NodeId("n"), StoreId("s"), http="u", peer="p", host="h"),
        [69, 1, None, "x", "n", "s", "u", "p", "h"],
    ),
    (commands.set_node_state(NodeId("n"), "draining"), [70, 1, None, "n", "draining"]),
    (commands.place_group(GroupId(3), 2, [NodeId("n")], note="why"), [71, 1, None, 3, 2, ["n"], "why"]),
    (commands.settle_group(GroupId(3), 2), [72, 1, None, 3, 2]),
    (commands.begin_rebalancing(7), [73, 1, None, 7]),
    (commands.end_rebalancing(2, note="why"), [74, 1, None, 2, "why"]),
]


@pytest.mark.parametrize(("encoded", "fields"), EXAMPLES)
def test_command_is_an_array_that_begins_with_op_and_level(encoded, fields) -> None:
    assert msgpack.unpackb(encoded) == fields
    assert commands.is_known(encoded)


def test_every_op_has_an_example_a_handler_and_a_line_in_the_table() -> None:
    assert {fields[0] for _, fields in EXAMPLES} == set(Op)
    assert OPEN_HANDLERS.keys() | CATALOG_HANDLERS.keys() == set(Op)
    assert CLOSED_HANDLERS.keys() == OPEN_HANDLERS.keys()
    assert not OPEN_HANDLERS.keys() & CATALOG_HANDLERS.keys()
    table = re.findall(r"^ +(\d+)  ([A-Z_]+) +\d", commands.__doc__ or "", re.MULTILINE)
    assert {(int(number), name) for number, name in table} == {(op.value, op.name) for op in Op}


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300, 70_000])
def test_batch_is_an_array_of_the_commands(count) -> None:
    command = commands.drop_collection("c")
    assert msgpack.unpackb(commands.batch([command] * count)) == [[33, 1, None, "c"]] * count


@pytest.mark.parametrize(
    "command", [b"", b"\x94", b"\x94\x01", b"\x94\x7f\x01\xc0", b"\x94\x01\x02\xc0", b"\xc0\x01\x01"]
)
def test_command_of_another_version_is_not_known(command) -> None:
    assert not commands.is_known(command)


@pytest.mark.parametrize("atomic", [True, False])
def test_number_of_documents_of_a_command_is_bounded(atomic) -> None:
    with pytest.raises(TooLarge, match="16384 documents"):
        commands.create_many("c", [("a", DOCUMENT)] * (commands.CREATE_MANY_ITEMS_MAX + 1), atomic=atomic)
