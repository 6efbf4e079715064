"""What a plan shows of itself."""

from __future__ import annotations

import pytest

from raftdoc.document import encode_key
from raftdoc.query.plan import SHOWN_KEY_BYTES_MAX, SHOWN_RANGES_MAX, Plan, shown_key


def test_a_key_is_shown_as_values_and_the_rest_in_hex() -> None:
    assert shown_key(encode_key(5) + encode_key("ink")) == "5 'ink'"
    assert shown_key(encode_key(5) + b"\xff") == "5 0xff"


@pytest.mark.parametrize("value", ["x" * 1_000_000, "\x01" * 200_000, ["x"] * 5000, {"a": "x" * 5000}])
def test_of_a_long_key_the_beginning_is_shown(value: object) -> None:
    for key in (
        encode_key(value),
        encode_key(7) + encode_key(value),
        encode_key(value).translate(bytes(range(256))[::-1]),
    ):
        assert len(shown_key(key)) < 3 * SHOWN_KEY_BYTES_MAX
        assert shown_key(key).endswith("...")
    assert shown_key(encode_key(7) + encode_key(value)).startswith("7 0x")


def test_a_plan_of_many_ranges_of_long_keys_is_described_in_short() -> None:
    keys = [bytes([0x30, 0x40 + place]) + b"x" * 100_000 for place in range(50)]
    plan = Plan(
        index=None,
        ranges=tuple((key, key + b"\xff") for key in keys),
        is_bounded=True,
        reverse=False,
        sort="none",
        is_covered=False,
        is_exact=False,
        estimated_keys=1,
        cost=1.0,
    )
    assert len(plan.describe()["ranges"]) == SHOWN_RANGES_MAX
    assert len(repr(plan.describe())) < 2 * SHOWN_RANGES_MAX * 3 * SHOWN_KEY_BYTES_MAX
