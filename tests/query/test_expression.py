"""Expressions: paths, variables, constants, and what is refused where."""

from __future__ import annotations

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.query.context import STEPS_MAX, Budget, Context
from raftdoc.query.expression import MISSING, evaluate, parse_expression
from raftdoc.query.expressions.scope import EXPRESSION_DEPTH_MAX, Reading

NOW = {"$date": "2024-05-01T12:00:00Z"}


def value_of(spec, document=None, **variables):
    expression = parse_expression(spec, "/e", variables=variables)
    return evaluate(expression, document or {}, Context(now=NOW, variables=variables))


def refusal_of(spec, document=None) -> tuple[str | None, int]:
    with pytest.raises(InvalidQuery) as caught:
        value_of(spec, document)
    return caught.value.pointer, caught.value.mongo_code


def test_path_maps_over_arrays_of_objects() -> None:
    document = {"a": [{"b": 1}, {"b": [2, 3]}, {}, 4], "x": {"0": "name"}}
    assert value_of("$a.b", document) == [1, [2, 3]]
    assert value_of("$a.0", document) == []
    assert value_of("$x.0", document) == "name"
    assert value_of("$x.y.z", document) is MISSING


def test_path_does_not_lead_into_a_tagged_scalar() -> None:
    assert value_of("$d.x", {"d": NOW}) is MISSING


@pytest.mark.parametrize(
    ("spec", "mongo_code"),
    [
        ("$", 16872),
        ("$$", 9),
        ("$$1x", 9),
        ("$a.", 40353),
        ("$a..b", 15998),
        ("$a.$b", 16410),
        ("$a\0b", 16411),
        ("$$nobody", 17276),
        ("$$CLUSTER_TIME", 10071200),
    ],
)
def test_text_that_is_no_path_is_refused_with_the_number_of_the_dialect(spec: str, mongo_code: int) -> None:
    assert refusal_of(spec) == ("/e", mongo_code)


def test_missing_parts_are_null_in_arrays_and_absent_in_objects() -> None:
    assert value_of(["$gone", 1]) == [None, 1]
    assert value_of({"a": "$gone", "b": 1}) == {"b": 1}


def test_literal_is_not_looked_into() -> None:
    assert value_of({"$literal": {"$add": ["$a", 1]}}) == {"$add": ["$a", 1]}


def test_tagged_scalars_are_constants() -> None:
    assert value_of(NOW) == NOW
    assert refusal_of({"$date": "yesterday"})[1] == 9


def test_system_variables() -> None:
    document = {"a": 1}
    assert value_of("$$ROOT", document) == document
    assert value_of("$$CURRENT.a", document) == 1
    assert value_of("$$NOW", document) == NOW
    assert value_of("$$REMOVE", document) is MISSING
    assert value_of({"a": "$$REMOVE"}, document) == {}


def test_let_sees_outer_values_and_hides_outer_names() -> None:
    spec = {
        "$let": {"vars": {"x": 1, "y": 2}, "in": {"$let": {"vars": {"x": "$$y", "y": "$$x"}, "in": ["$$x", "$$y"]}}}
    }
    assert value_of(spec) == [2, 1]


def test_let_can_move_current() -> None:
    assert value_of({"$let": {"vars": {"CURRENT": "$a"}, "in": "$b"}}, {"a": {"b": 5}, "b": 6}) == 5


def test_outer_variables_come_from_the_context() -> None:
    assert value_of({"$add": ["$$tax", "$$order.total"]}, tax=1, order={"total": 2}) == 3


def test_nested_maps_keep_their_variables_apart() -> None:
    inner = {"$map": {"input": "$$row", "as": "cell", "in": {"$add": ["$$cell", {"$size": "$$row"}]}}}
    assert value_of({"$map": {"input": "$rows", "as": "row", "in": inner}}, {"rows": [[1], [1, 2]]}) == [[2], [3, 4]]


def test_an_expression_keeps_nothing_between_documents() -> None:
    expression = parse_expression({"$let": {"vars": {"x": "$a"}, "in": {"$ifNull": ["$$x", "none"]}}}, "")
    assert evaluate(expression, {"a": 1}, Context()) == 1
    assert evaluate(expression, {}, Context()) == "none"


def test_a_fault_in_constants_shows_at_parse() -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_expression({"a": {"$divide": [1, 0]}}, "/pipeline/0/$set")
    assert (caught.value.pointer, caught.value.mongo_code) == ("/pipeline/0/$set/a/$divide", 2)


def test_a_branch_that_is_not_taken_is_not_worked_out() -> None:
    assert value_of({"$cond": [{"$eq": ["$a", 1]}, {"$divide": [1, "$z"]}, "ok"]}, {"a": 2, "z": 0}) == "ok"
    assert value_of({"$or": ["$a", {"$divide": [1, "$z"]}]}, {"a": 2, "z": 0}) is True


def test_pointer_leads_to_the_operator_that_refused() -> None:
    spec = {"$add": [1, {"$cond": {"if": True, "then": {"$abs": "$a"}, "else": 0}}]}
    assert refusal_of(spec, {"a": "text"}) == ("/e/$add/1/$cond/then/$abs", 28765)
    assert refusal_of({"a/b": {"$nonsense": 1}}) == ("/e/a~1b/$nonsense", 168)


def test_server_side_code_is_refused() -> None:
    assert refusal_of({"$function": {"body": "x", "args": [], "lang": "js"}})[1] == 9


def test_depth_is_bounded_and_its_bound_is_reached_without_harm() -> None:
    def nested(levels: int):
        spec: object = "$a"
        for _ in range(levels):
            spec = {"$add": [spec, 1]}
        return spec

    assert value_of(nested(EXPRESSION_DEPTH_MAX), {"a": 0}) == EXPRESSION_DEPTH_MAX
    assert refusal_of(nested(EXPRESSION_DEPTH_MAX + 1))[1] == 15


def test_loops_inside_of_an_expression_are_counted_over_the_whole_request() -> None:
    expression = parse_expression({"$map": {"input": {"$range": [0, "$n"]}, "in": "$$this"}}, "")
    context = Context(budget=Budget(150))
    evaluate(expression, {"n": 100}, context)
    with pytest.raises(InvalidQuery) as caught:
        evaluate(expression, {"n": 100}, context.with_variables({"x": 1}))
    assert caught.value.mongo_code == 146
    assert STEPS_MAX > 1_000_000


def test_range_makes_a_bounded_array() -> None:
    assert refusal_of({"$range": [0, 2_000_000_000]})[1] == 146


def test_true_is_no_number() -> None:
    assert value_of({"$eq": [1, True]}) is False
    assert value_of({"$in": [True, [1, 2]]}) is False
    assert value_of({"$setUnion": [[1], [True]]}) == [1, True]
    assert refusal_of({"$add": ["$a", 1]}, {"a": True})[1] == 14


def test_numbers_are_equal_by_value_across_types() -> None:
    assert value_of({"$eq": [1, 1.0]}) is True
    assert value_of({"$in": [{"$numberDecimal": "1.00"}, [1]]}) is True
    assert value_of({"$setIntersection": [[1, 2], [2.0, {"$numberDecimal": "1"}]]}) == [1, 2]


def test_missing_equals_missing_only() -> None:
    assert value_of({"$eq": ["$gone", None]}) is False
    assert value_of({"$lt": ["$gone", None]}) is True
    assert value_of({"$eq": ["$gone", "$away"]}) is True


def test_chance_comes_from_the_seed() -> None:
    expression = parse_expression([{"$rand": {}}, {"$rand": {}}], "")
    first, again = (evaluate(expression, {}, Context(seed=11)) for _ in range(2))
    assert first == again
    assert first[0] != first[1]
    assert all(0 <= number < 1 for number in first)


@pytest.mark.parametrize(
    "built", [["$$value", "$$value"], {"a": "$$value", "b": "$$value"}, {"$concatArrays": ["$$value", "$$value"]}]
)
def test_a_value_that_doubles_with_every_step_is_refused_and_not_written_out(built) -> None:
    spec = {"$reduce": {"input": {"$range": [0, "$n"]}, "initialValue": [1], "in": built}}
    assert refusal_of(spec, {"n": 60})[1] in (146, 10334)
    assert refusal_of({"$eq": [spec, 1]}, {"n": 60})[1] in (146, 10334)
    assert value_of({"$isArray": {"$literal": [1]}}) is True


def test_a_value_that_deepens_with_every_step_is_refused() -> None:
    spec = {"$reduce": {"input": {"$range": [0, "$n"]}, "initialValue": 1, "in": ["$$value"]}}
    assert refusal_of(spec, {"n": 5000})[1] == 15


def test_loops_inside_of_loops_are_bounded_for_each_document() -> None:
    inner = {"$size": {"$map": {"input": "$a", "in": 1}}}
    expression = parse_expression({"$size": {"$map": {"input": "$a", "in": inner}}}, "")
    context = Context()
    for _ in range(5):
        assert evaluate(expression, {"a": [0] * 400}, context) == 400
        context.budget.rest()
    with pytest.raises(InvalidQuery) as caught:
        evaluate(expression, {"a": [0] * 1000}, context)
    assert caught.value.mongo_code == 146


LARGE = {"big": list(range(400_000)), "text": "x" * 400_000, "rows": [{"v": 1}] * 40_000}


@pytest.mark.parametrize(
    "step",
    [
        {"$in": ["y", "$big"]},
        {"$indexOfArray": ["$big", -1]},
        {"$size": {"$concatArrays": ["$big", ["$$this"]]}},
        {"$size": {"$setUnion": ["$big", [1]]}},
        {"$sum": "$big"},
        {"$eq": ["$big", {"$reverseArray": "$big"}]},
        {"$size": {"$slice": ["$big", 300_000]}},
        {"$strLenBytes": {"$concat": ["$text", "y"]}},
        {"$regexMatch": {"input": "$text", "regex": "y$"}},
        {"$size": {"$split": ["$text", "xy"]}},
        {"$size": "$rows.v"},
        {"$size": "$rows.w"},
        {"$let": {"vars": {"b": "$big"}, "in": {"$max": "$$b"}}},
    ],
)
def test_the_size_of_operands_counts_inside_of_loops(step) -> None:
    assert refusal_of({"$map": {"input": {"$range": [0, 2000]}, "in": step}}, LARGE)[1] == 146


def test_the_size_of_operands_counts_in_long_expressions() -> None:
    assert refusal_of({"$add": [{"$sum": "$big"}] * 300}, LARGE)[1] == 146


def test_what_takes_an_array_at_once_is_not_counted_in_short_expressions() -> None:
    expression, context = parse_expression({"$size": {"$slice": ["$big", 300_000]}}, "/e"), Context()
    assert {evaluate(expression, LARGE, context) for _ in range(100)} == {300_000}


def test_matches_of_a_pattern_are_bounded() -> None:
    assert refusal_of({"$regexFindAll": {"input": "$text", "regex": "x"}}, LARGE) == ("/e/$regexFindAll", 51151)


def test_patterns_that_are_made_in_a_loop_are_counted() -> None:
    step = {"$regexMatch": {"input": "a", "regex": {"$concat": ["a", {"$toString": "$$this"}]}}}
    assert refusal_of({"$map": {"input": {"$range": [0, 5000]}, "in": step}})[1] == 146


def test_constants_that_take_long_are_worked_out_for_each_document_instead() -> None:
    unions = {f"x{place}": {"$size": {"$setUnion": [{"$range": [0, 20_000]}]}} for place in range(8)}
    expression = parse_expression(unions, "/e")
    assert not expression.is_constant
    assert parse_expression(unions["x0"], "/e").constant == 20_000


def test_all_constants_of_a_specification_share_what_they_may_take() -> None:
    reading = Reading()
    spec = {"$size": {"$range": [0, 90_000]}}
    made = [parse_expression(spec, "/e", reading=reading).is_constant for _ in range(10)]
    assert made == [True] + [False] * 9
    assert parse_expression(spec, "/e").is_constant


def test_the_numbers_of_a_range_count_without_a_loop() -> None:
    spec = [{"$size": {"$range": ["$n", 1_000_000]}}] * 4
    assert refusal_of(spec, {"n": 0})[1] == 146


def test_a_trim_takes_a_bounded_number_of_different_characters_and_any_number_of_equal_ones() -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 1001)))
    assert value_of({"$trim": {"input": "$s", "chars": "$c"}}, {"s": "abxba", "c": "ab" * 5000}) == "x"
    assert value_of({"$ltrim": {"input": "$s", "chars": "$c"}}, {"s": "ab", "c": many[:1000]}) == "ab"
    assert refusal_of({"$rtrim": {"input": "$s", "chars": "$c"}}, {"s": "ab", "c": many}) == ("/e/$rtrim/chars", 146)
