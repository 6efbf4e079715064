"""The clocks of a node, and the watchdog over them (breaker L4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftdoc.errors import InvalidSettings
from raftdoc.limits import NS_PER_MS, NS_PER_S
from raftdoc.node.clock import ClockWatchdog, FileClock, SystemClock, read_clock_file


class Hands:
    """A clock whose three hands a test moves."""

    def __init__(self) -> None:
        self.boot_ns = self.raw = 10 * NS_PER_S
        self.wall = 1_000_000

    def now_ns(self) -> int:
        return self.boot_ns

    def raw_ns(self) -> int:
        return self.raw

    def wall_ms(self) -> int:
        return self.wall

    def move(self, ms: int) -> None:
        self.boot_ns += ms * NS_PER_MS
        self.raw += ms * NS_PER_MS
        self.wall += ms


def test_watchdog_trusts_clocks_that_move_together() -> None:
    hands = Hands()
    watchdog = ClockWatchdog(hands)
    for _ in range(100):
        hands.move(25)
        assert not watchdog.disagrees()


@pytest.mark.parametrize("hand", ["suspend", "wall jump back", "wall jump ahead", "rate"])
def test_l4_watchdog_notices_a_clock_that_moved_alone_once(hand: str) -> None:
    hands = Hands()
    watchdog = ClockWatchdog(hands)
    hands.move(25)
    match hand:
        case "suspend":
            hands.boot_ns += 3 * NS_PER_S
            hands.wall += 3000
        case "wall jump back":
            hands.wall -= 5000
        case "wall jump ahead":
            hands.wall += 5000
        case "rate":
            hands.raw += 10 * NS_PER_S
            hands.boot_ns += 10 * NS_PER_S
            hands.wall += 11_000
    assert watchdog.disagrees()
    hands.move(25)
    assert not watchdog.disagrees()


def test_clock_file_bends_boot_and_wall_time_and_leaves_raw_time(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    path.write_text('{"offset_ms": 60000}')
    true, bent = SystemClock(), FileClock(path)
    ahead_ns = bent.now_ns() - true.now_ns()
    assert 59 * NS_PER_S < ahead_ns < 61 * NS_PER_S
    assert 59_000 < bent.wall_ms() - true.wall_ms() < 61_000
    assert abs(bent.raw_ns() - true.raw_ns()) < NS_PER_S


def test_clock_file_that_is_missing_or_half_written_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    true, bent = SystemClock(), FileClock(path)
    assert abs(bent.now_ns() - true.now_ns()) < NS_PER_S
    path.write_text('{"offset_ms": 60')
    assert abs(bent.now_ns() - true.now_ns()) < NS_PER_S


@pytest.mark.parametrize("text", ["", "[]", '{"rate": "fast"}', '{"offset_ms": null}', "{"])
def test_clock_file_of_another_form_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clock"
    path.write_text(text)
    with pytest.raises(InvalidSettings, match="clock_file"):
        read_clock_file(path)
