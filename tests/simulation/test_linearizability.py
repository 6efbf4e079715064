"""The judge of histories is itself judged: by recorded verdicts that nobody here made, and by a brute force."""

from __future__ import annotations

import gzip
from itertools import permutations
from pathlib import Path
from random import Random

import orjson
import pytest

from raftdoc.simulation.checkers.linearizability import Limits, check_keys, check_linearizability
from raftdoc.simulation.checkers.models import ILLEGAL, REGISTER
from raftdoc.simulation.checkers.verdict import Verdict
from raftdoc.simulation.history import Operation, decode_event, operations

from .histories import friendly, operation

DATA = "shared/conformance/linearizability.jsonl.gz"
VERDICTS = {"linearizable": Verdict.OK, "not_linearizable": Verdict.ILLEGAL}


def test_verdicts_on_recorded_histories_of_a_real_register_are_right() -> None:
    path = next((root / DATA for root in Path(__file__).resolve().parents if (root / DATA).exists()), None)
    if path is None:
        pytest.skip(f"no {DATA} beside the repository")
    wrong = []
    count = 0
    with gzip.open(path) as file:
        for line in file:
            case = orjson.loads(line)
            history = operations(decode_event(orjson.dumps(event)) for event in case["history"])
            count += 1
            if check_linearizability(history, REGISTER).verdict is not VERDICTS[case["verdict"]]:
                wrong.append(case["name"])
    assert wrong == []
    assert count == 68


def test_friendly_history_of_many_keys_is_linearizable() -> None:
    assert check_linearizability(operations(friendly(5000, 20)), REGISTER).verdict is Verdict.OK


def brute_force(history: list[Operation]) -> bool:
    """Try every order of every subset of what may have happened."""
    calls = [(one, REGISTER.call_of(one)) for one in history]
    required = [(one, call) for one, call in calls if call is not None and one.stop is not None]
    maybe = [(one, call) for one, call in calls if call is not None and one.stop is None]
    for bits in range(1 << len(maybe)):
        chosen = required + [one for number, one in enumerate(maybe) if bits >> number & 1]
        for order in permutations(chosen):
            state = REGISTER.initial
            fits = True
            for number, (one, call) in enumerate(order):
                if any(later.stop is not None and later.stop < one.start for later, _ in order[number + 1 :]):
                    fits = False
                    break
                state = REGISTER.step(state, call)
                if state is ILLEGAL:
                    fits = False
                    break
            if fits:
                return True
    return False


def random_history(random: Random) -> list[Operation]:
    """Return up to six operations with arbitrary answers; some can be explained, some cannot."""
    history = []
    for process in range(random.randint(1, 6)):
        start = random.randrange(20)
        f = random.choice(("get", "get", "put", "cas", "create", "delete"))
        value = [random.randrange(3), random.randrange(3)] if f == "cas" else random.randrange(3)
        is_unknown = random.random() < 0.25
        error = {"cas": "cas-mismatch", "create": "duplicate_key", "delete": "document_not_found"}.get(f)
        is_refused = error is not None and random.random() < 0.4
        type_ = "info" if is_unknown else "fail" if is_refused else "ok"
        stop = None if is_unknown else start + random.randint(1, 10)
        result = random.choice((None, 0, 1, 2)) if f == "get" else None
        one = operation(f, value, 100 * start + process, stop and 100 * stop + process, process=process, type=type_)
        history.append(one._replace(result=result, error=error if type_ == "fail" else None))
    return sorted(history, key=lambda one: one.start)


def test_verdicts_are_those_of_trying_everything() -> None:
    random = Random(7)
    verdicts = []
    for _ in range(600):
        history = random_history(random)
        expected = brute_force(history)
        verdicts.append(expected)
        found = check_linearizability(history, REGISTER).verdict
        assert found is (Verdict.OK if expected else Verdict.ILLEGAL), history
    assert 100 < sum(verdicts) < 500


def test_keys_are_judged_apart() -> None:
    history = [
        operation("put", 1, 0, 1, key="a"),
        operation("get", None, 2, 3, result=None, key="b"),
        operation("get", None, 4, 5, result=None, key="a"),
    ]
    results = {result.key: result.verdict for result in check_keys(history, REGISTER, Limits())}
    assert results == {"a": Verdict.ILLEGAL, "b": Verdict.OK}


def test_illegal_history_names_the_longest_order_and_what_blocks_it() -> None:
    history = [
        operation("put", 1, 0, 1),
        operation("put", 2, 2, 3),
        operation("get", None, 4, 5, result=1),
        operation("get", None, 6, 7, result=2),
    ]
    (result,) = check_keys(history, REGISTER, Limits())
    assert result.verdict is Verdict.ILLEGAL
    assert result.linearized == tuple(history[:2])
    assert result.blocked == (history[2],)
    (detail,) = check_linearizability(history, REGISTER).details
    assert "get(k: None)=1[4-5]" in detail


def test_unknown_write_may_take_effect_long_after_it_was_sent() -> None:
    history = [
        operation("put", 1, 0, None, type="info"),
        operation("get", None, 1, 2, result=None),
        operation("put", 2, 3, 4),
        operation("get", None, 5, 6, result=1, process=1),
    ]
    assert check_linearizability(history, REGISTER).verdict is Verdict.OK


def test_unknown_write_takes_effect_at_most_once() -> None:
    history = [
        operation("put", 1, 0, None, type="info"),
        operation("get", None, 1, 2, result=1),
        operation("put", 2, 3, 4),
        operation("get", None, 5, 6, result=1, process=1),
    ]
    assert check_linearizability(history, REGISTER).verdict is Verdict.ILLEGAL


def test_failed_write_never_took_effect() -> None:
    history = [operation("put", 1, 0, 1, type="fail", error="not_leader"), operation("get", None, 2, 3, result=1)]
    assert check_linearizability(history, REGISTER).verdict is Verdict.ILLEGAL


@pytest.mark.parametrize("limits", [Limits(configurations_max=10), Limits(steps_max=10), Limits(is_over=lambda: True)])
def test_limits_make_the_verdict_unknown(limits: Limits) -> None:
    events = friendly(20_000, 1)
    assert check_linearizability(operations(events), REGISTER, limits).verdict is Verdict.UNKNOWN
