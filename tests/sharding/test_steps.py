"""Steps: from any members to any others, one at a time, with a living leader all the way."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import assume, given
from hypothesis import strategies as st

from raftdoc.ids import Index, NodeId
from raftdoc.sharding.steps import CAUGHT_UP, TOO_SLOW, Change, Done, GiveUp, GroupState, HandOver, Wait, next_step

NODES = [NodeId(f"n{number}") for number in range(1, 7)]
STEPS_MAX = 12


def group(
    voters: Collection[str],
    learners: Collection[str] = (),
    *,
    leader: str = "n1",
    is_settled: bool = True,
    fitness: str = CAUGHT_UP,
) -> GroupState:
    members = {NodeId(node) for node in (*voters, *learners)}
    return GroupState(
        NodeId(leader),
        frozenset(map(NodeId, voters)),
        frozenset(map(NodeId, learners)),
        is_settled,
        dict.fromkeys(members, Index(5)),
        {NodeId(node): fitness for node in learners},
    )


def nodes(*names: str) -> list[NodeId]:
    return [NodeId(name) for name in names]


sets = st.sets(st.sampled_from(NODES))


@given(sets, sets, sets, sets, st.data())
def test_steps_lead_from_any_members_to_any_others(voters, learners, wanted, followers, data) -> None:
    assume(voters and wanted)
    learners, followers = learners - voters, followers - wanted
    now = group(voters, learners, leader=data.draw(st.sampled_from(sorted(voters))))
    taken = []
    for _ in range(STEPS_MAX):
        step = next_step(now, wanted, followers, living=NODES)
        taken.append(step)
        if isinstance(step, Done):
            break
        if isinstance(step, HandOver):
            assert step.target in now.voters
            assert step.target in wanted
            now = now._replace(leader=step.target)
        else:
            assert isinstance(step, Change), step
            assert set(step.voters) - now.voters <= now.learners, "a voter was no learner before"
            assert not set(step.voters) & set(step.learners)
            assert now.leader in step.voters, "a leader was removed without handing over"
            now = group(step.voters, step.learners, leader=now.leader)
    assert isinstance(taken[-1], Done), taken
    assert (now.voters, now.learners) == (wanted, followers)


def test_nothing_is_done_while_a_change_is_under_way() -> None:
    step = next_step(group(["n1"], is_settled=False), nodes("n2"), living=NODES)
    assert isinstance(step, Wait)


def test_a_new_voter_is_a_learner_first_and_waits_until_it_has_caught_up() -> None:
    wanted = nodes("n1", "n2", "n4")
    assert next_step(group(["n1", "n2", "n3"]), wanted, living=NODES) == Change(("n1", "n2", "n3"), ("n4",))  # type: ignore[arg-type]
    behind = group(["n1", "n2", "n3"], ["n4"], fitness="catching_up")
    assert next_step(behind, wanted, living=NODES) == Wait("n4 is catching up")
    fit = group(["n1", "n2", "n3"], ["n4"])
    assert next_step(fit, wanted, living=NODES) == Change(("n1", "n2", "n4"), ())  # type: ignore[arg-type]


def test_a_node_that_cannot_follow_is_given_up() -> None:
    slow = group(["n1", "n2", "n3"], ["n4"], fitness=TOO_SLOW)
    assert next_step(slow, nodes("n1", "n2", "n4"), living=NODES) == GiveUp(NodeId("n4"))


def test_a_leader_that_goes_hands_over_to_a_living_node_that_stays() -> None:
    matches = {NodeId("n2"): Index(9), NodeId("n3"): Index(8), NodeId("n4"): Index(7)}
    now, stay = group(["n1", "n2", "n3", "n4"])._replace(matches=matches), nodes("n2", "n3", "n4")
    assert next_step(now, stay, living=NODES) == HandOver(NodeId("n2"))
    assert next_step(now, stay, living=nodes("n1", "n3", "n4")) == HandOver(NodeId("n3"))
    assert next_step(group(["n1"], ["n2"]), nodes("n2"), living=NODES) == Change(("n1", "n2"), ())  # type: ignore[arg-type]


def test_no_change_of_voters_is_begun_that_could_not_be_committed() -> None:
    """Most of the old ones live, and most of those who were chosen to go on died just now."""
    now = group(["n1", "n2", "n3", "n4", "n5"], leader="n4")
    assert isinstance(next_step(now, nodes("n2", "n3", "n4"), living=nodes("n1", "n4", "n5")), Wait)
    assert next_step(now, nodes("n2", "n4", "n5"), living=nodes("n1", "n4", "n5")) == Change(("n2", "n4", "n5"), ())  # type: ignore[arg-type]


def test_a_voter_that_shall_follow_only_keeps_getting_the_log() -> None:
    step = next_step(group(["n1", "n2", "n3"]), nodes("n1", "n2"), nodes("n3"), living=NODES)
    assert step == Change(("n1", "n2"), ("n3",))  # type: ignore[arg-type]
