"""Whether there is an order of all operations, each between its invocation and its answer, that a model allows.

Keys are independent objects (linearizability is local), so each is searched alone. The search is that of Wing and Gong
with Lowe's memory of configurations. A configuration is small however long the history is: the operations that must
have happened are those before a floor and a few bits above it, those that may have happened are bits of their own.
An unknown operation is tried last, and a configuration that has used up more of them than one seen before, with all
else equal, is not looked at again: what fails with more freedom fails with less.

Source: J. Wing and C. Gong, Testing and Verifying Concurrent Objects (1993);
G. Lowe, Testing for Linearizability (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from raftdoc.simulation.checkers.models import ILLEGAL, Call, Model, State
from raftdoc.simulation.checkers.verdict import Report, Verdict, report, worst
from raftdoc.simulation.history import Operation

CONFIGURATIONS_MAX = 1_000_000
"""About 300 bytes each."""
STEPS_MAX = 20_000_000
CHECK_EVERY_STEPS = 4096
SEEN_PER_STEP = 16
SHOWN_MAX = 12

_Chain: TypeAlias = "tuple[int, _Chain] | None"
"""Numbers of operations, the last first."""


class Limits(NamedTuple):
    """What one key may cost before the verdict is unknown."""

    configurations_max: int = CONFIGURATIONS_MAX
    steps_max: int = STEPS_MAX
    is_over: Callable[[], bool] | None = None
    """Asked now and then: whether the time is up. Without it the verdict depends on nothing but the history."""


class KeyResult(NamedTuple):
    key: str | None
    verdict: Verdict
    linearized: tuple[Operation, ...]
    """The order found, or the longest that was found before nothing more fitted."""
    blocked: tuple[Operation, ...]
    """Illegal: what could not come next after it."""
    steps: int


def check_linearizability(operations: Sequence[Operation], model: Model, limits: Limits | None = None) -> Report:
    """Return whether the history of every key is linearizable."""
    results = check_keys(operations, model, limits or Limits())
    illegal = [_tell(result) for result in results if result.verdict is Verdict.ILLEGAL]
    unknown = [
        f"key {result.key}: undecided after {result.steps} steps"
        for result in results
        if result.verdict is Verdict.UNKNOWN
    ]
    found = report("linearizability", illegal, unknown)
    assert found.verdict is worst(result.verdict for result in results)
    return found


def check_keys(operations: Sequence[Operation], model: Model, limits: Limits) -> list[KeyResult]:
    """Return what was found of each key, in the order in which keys first appear."""
    by_key: dict[str | None, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    return [_Search(key, by_key[key], model, limits).run() for key in by_key]


class _Frame:
    """A configuration on the way, and what has not been tried in it."""

    __slots__ = ("above", "candidates", "chosen", "floor", "maybe_at", "maybe_used", "state", "until")

    def __init__(self, state: State, floor: int, above: int, maybe_used: int) -> None:
        self.state = state
        self.floor = floor
        """The required operations before this number are linearized, this one is not."""
        self.above = above
        """Bit i: the one of number floor + i is linearized, too."""
        self.maybe_used = maybe_used
        self.candidates: list[int] = []
        """Required operations that may be next, the first at the end."""
        self.until = 0
        """When the first answer is given: what is invoked later cannot be next."""
        self.maybe_at = 0
        self.chosen = -1


class _Search:
    """Of one key.

    Required operations stand in a doubly linked list of their invocations and answers, by time: node 2 i is the
    invocation of the i-th, 2 i + 1 its answer, and one more node is the head and the end. What is linearized is
    taken out. Those that may have happened are numbered after the required ones, and are in no list.
    """

    def __init__(self, key: str | None, operations: Sequence[Operation], model: Model, limits: Limits) -> None:
        self._key = key
        self._step = model.step
        self._is_pure = model.is_pure
        self._limits = limits
        called = [(operation, model.call_of(operation)) for operation in operations]
        required = [(operation, call) for operation, call in called if call is not None and operation.stop is not None]
        maybe = [(operation, call) for operation, call in called if call is not None and operation.stop is None]
        self._count = len(required)
        self._operations = [operation for operation, _ in (*required, *maybe)]
        self._calls: list[Call] = [call for _, call in (*required, *maybe)]
        self._link()
        self._frames = [self._frame(_Frame(model.initial, 0, 0, 0))]
        self._seen: dict[tuple[int, int, State], list[int]] = {}
        self._seen_count = 0
        self._steps = 0
        """Of work: to look at SEEN_PER_STEP configurations is one, too."""
        self._next_check = CHECK_EVERY_STEPS
        self._depth = 0
        self._chain: _Chain = None
        self._best_depth = 0
        self._best: _Chain = None
        self._best_frame = self._frames[0]

    def run(self) -> KeyResult:
        """Search, depth first."""
        frames, count = self._frames, self._count
        while self._depth < count:
            frame = frames[-1]
            if frame.candidates:
                self._try(frame, frame.candidates.pop())
            elif not self._try_maybe(frame):
                if len(frames) == 1:
                    return self._result(Verdict.ILLEGAL, self._best)
                self._back()
            self._steps += 1
            if self._steps >= self._next_check:
                self._next_check = self._steps + CHECK_EVERY_STEPS
                if self._is_over():
                    return self._result(Verdict.UNKNOWN, self._best)
        return self._result(Verdict.OK, self._chain)

    def _link(self) -> None:
        """Make the list."""
        times: list[tuple[int, int]] = []
        for number, operation in enumerate(self._operations[: self._count]):
            assert operation.stop is not None
            times.append((operation.start, 2 * number))
            times.append((operation.stop, 2 * number + 1))
        times.sort()
        self._end = end = 2 * self._count
        ring = [end, *(node for _, node in times), end]
        self._time = [0] * end
        self._next, self._previous = [0] * (end + 1), [0] * (end + 1)
        for time, node in times:
            self._time[node] = time
        for before, node in pairwise(ring):
            self._next[before], self._previous[node] = node, before

    def _frame(self, frame: _Frame) -> _Frame:
        """Find what may be next: what is invoked before the first answer."""
        following, end = self._next, self._end
        node = following[end]
        candidates = []
        while node != end and not node & 1:
            candidates.append(node >> 1)
            node = following[node]
        # Observations first, then what was answered first: most often the right order.
        stops, is_pure, calls = self._time, self._is_pure, self._calls
        candidates.sort(key=lambda number: (not is_pure(calls[number]), stops[2 * number + 1]), reverse=True)
        frame.candidates = candidates
        frame.until = self._time[node] if node != end else 0
        return frame

    def _try(self, frame: _Frame, number: int) -> None:
        """Linearize a required operation next, if that leads somewhere new."""
        state = self._step(frame.state, self._calls[number])
        if state is ILLEGAL:
            return
        floor, above = frame.floor, frame.above | 1 << number - frame.floor
        while above & 1:
            above >>= 1
            floor += 1
        if self._is_pure(self._calls[number]):
            # It changes nothing wherever it stands, so nothing is lost by letting it be next: forget the others.
            frame.candidates, frame.maybe_at = [], len(self._operations)
        if self._enter(_Frame(state, floor, above, frame.maybe_used)):
            frame.chosen = number
            self._depth += 1
            self._lift(2 * number)
            self._chain = number, self._chain
            if self._depth > self._best_depth:
                self._best_depth, self._best = self._depth, self._chain
                self._best_frame = self._frames[-1]
            self._frame(self._frames[-1])

    def _try_maybe(self, frame: _Frame) -> bool:
        """Let the next of those happen that may have; return whether one could."""
        for number in range(max(frame.maybe_at, self._count), len(self._operations)):
            if self._operations[number].start > frame.until:
                break
            bit = 1 << number - self._count
            if frame.maybe_used & bit:
                continue
            state = self._step(frame.state, self._calls[number])
            # What changes nothing need not have happened.
            if state is ILLEGAL or state == frame.state:
                continue
            if self._enter(_Frame(state, frame.floor, frame.above, frame.maybe_used | bit)):
                frame.maybe_at, frame.chosen = number + 1, number
                self._chain = number, self._chain
                self._frame(self._frames[-1])
                return True
        return False

    def _enter(self, frame: _Frame) -> bool:
        """Go on from a configuration, unless one like it, or with more freedom, was seen."""
        key = frame.floor, frame.above, frame.state
        known = self._seen.get(key)
        if known is None:
            self._seen[key] = [frame.maybe_used]
        else:
            used = frame.maybe_used
            self._steps += len(known) // SEEN_PER_STEP
            if any(one & used == one for one in known):
                return False
            known.append(used)
        self._seen_count += 1
        self._frames.append(frame)
        return True

    def _back(self) -> None:
        """Take the last operation back."""
        self._frames.pop()
        frame = self._frames[-1]
        assert self._chain is not None
        self._chain = self._chain[1]
        if frame.chosen < self._count:
            self._depth -= 1
            self._unlift(2 * frame.chosen)

    def _lift(self, node: int) -> None:
        following, previous = self._next, self._previous
        for one in (node, node + 1):
            before, after = previous[one], following[one]
            following[before], previous[after] = after, before

    def _unlift(self, node: int) -> None:
        following, previous = self._next, self._previous
        for one in (node + 1, node):
            following[previous[one]] = previous[following[one]] = one

    def _is_over(self) -> bool:
        limits = self._limits
        is_too_large = self._seen_count > limits.configurations_max or self._steps > limits.steps_max
        return is_too_large or (limits.is_over is not None and limits.is_over())

    def _result(self, verdict: Verdict, chain: _Chain) -> KeyResult:
        linearized: list[Operation] = []
        while chain is not None:
            linearized.append(self._operations[chain[0]])
            chain = chain[1]
        linearized.reverse()
        blocked: tuple[Operation, ...] = ()
        if verdict is Verdict.ILLEGAL:
            blocked = self._blocked(self._best_frame)
        return KeyResult(self._key, verdict, tuple(linearized), blocked, self._steps)

    def _blocked(self, frame: _Frame) -> tuple[Operation, ...]:
        """Return the required operations that a configuration has not linearized, up to the first answer."""
        rest = [
            operation
            for number, operation in enumerate(self._operations[: self._count])
            if number >= frame.floor and not frame.above >> number - frame.floor & 1
        ]
        until = min((operation.stop for operation in rest if operation.stop is not None), default=0)
        return tuple(operation for operation in rest if operation.start < until)


def _tell(result: KeyResult) -> str:
    """Return why a key is illegal, in words."""
    done = " ".join(str(operation) for operation in result.linearized[-SHOWN_MAX:])
    blocked = "; ".join(str(operation) for operation in result.blocked)
    count = len(result.linearized)
    return f"key {result.key}: after {count} operations (... {done}) none of these can be next: {blocked}"
