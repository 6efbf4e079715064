"""The calendar against Python's, and dates as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.errors import InvalidQuery
from raftdoc.query import dates
from raftdoc.query.context import Context
from raftdoc.query.date_text import format_date, parse_by_format, parse_date
from raftdoc.query.expression import evaluate, parse_expression

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
    lambda at: at.replace(tzinfo=UTC, microsecond=at.microsecond // 1000 * 1000)
)


def ms_of(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def value_of(spec, **fields):
    return evaluate(parse_expression(spec, "/e"), fields, Context())


@given(moments)
def test_dates_are_taken_apart_as_python_does(at: datetime) -> None:
    ms = ms_of(at)
    fields = dates.fields_of(ms)
    assert fields == (at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond // 1000)
    assert dates.ms_of(fields) == ms
    assert dates.iso_week(ms) == at.isocalendar()[:2]
    assert dates.iso_weekday(ms) == at.isoweekday()
    assert dates.day_of_year(ms) == at.timetuple().tm_yday
    assert dates.week_of_year(ms) == int(at.strftime("%U"))
    assert dates.days_from_iso_week(*at.isocalendar()) == ms // dates.MS_PER_DAY


@given(st.integers(-(1 << 62), 1 << 62))
def test_dates_of_any_year_are_put_together_again(ms: int) -> None:
    assert dates.ms_of(dates.fields_of(ms)) == ms


@given(moments)
def test_dates_survive_their_text(at: datetime) -> None:
    ms = ms_of(at)
    assert parse_date(dates.iso_text(ms)) == ms
    pattern = "%Y-%m-%d %H:%M:%S.%L %z"
    assert parse_by_format(format_date(ms, pattern, 5_400_000, ""), pattern, None, "") == ms
    weeks = "%G %V %u"
    assert parse_by_format(format_date(ms, weeks, 0, ""), weeks, None, "") == ms // dates.MS_PER_DAY * dates.MS_PER_DAY


@pytest.mark.parametrize("text", ["2024-02-30", "2024-13-01", "2024-01-01T24:00:00Z", "01/02/2024", " 2024-01-01", ""])
def test_text_that_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


def test_a_month_added_ends_at_the_end_of_a_shorter_one() -> None:
    spec = {"$dateAdd": {"startDate": "$d", "unit": "month", "amount": 1}}
    assert value_of(spec, d={"$date": "2024-01-31T10:00:00Z"}) == {"$date": "2024-02-29T10:00:00Z"}
    spec = {"$dateSubtract": {"startDate": "$d", "unit": "year", "amount": 1}}
    assert value_of(spec, d={"$date": "2024-02-29T10:00:00Z"}) == {"$date": "2023-02-28T10:00:00Z"}


@pytest.mark.parametrize(
    ("unit", "difference"), [("year", 1), ("quarter", 1), ("month", 1), ("week", 0), ("day", 1), ("hour", 1)]
)
def test_a_difference_counts_the_boundaries_between(unit: str, difference: int) -> None:
    spec = {"$dateDiff": {"startDate": "$a", "endDate": "$b", "unit": unit}}
    assert value_of(spec, a={"$date": "2024-12-31T23:59:59Z"}, b={"$date": "2025-01-01T00:00:00Z"}) == difference


@pytest.mark.parametrize(
    ("unit", "options", "start"),
    [
        ("hour", {"binSize": 6}, "2024-05-15T12:00:00Z"),
        ("week", {}, "2024-05-12T00:00:00Z"),
        ("week", {"startOfWeek": "mon"}, "2024-05-13T00:00:00Z"),
        ("month", {"binSize": 3}, "2024-04-01T00:00:00Z"),
        ("year", {"binSize": 5}, "2020-01-01T00:00:00Z"),
        ("day", {"timezone": "+12:00"}, "2024-05-15T12:00:00Z"),
    ],
)
def test_a_date_is_cut_to_the_start_of_its_bin(unit: str, options: dict[str, object], start: str) -> None:
    spec = {"$dateTrunc": {"date": "$d", "unit": unit, **options}}
    assert value_of(spec, d={"$date": "2024-05-15T13:14:15.678Z"}) == {"$date": start}


@given(
    moments, st.sampled_from(["year", "quarter", "month", "week", "day", "hour", "minute", "second"]), st.integers(1, 9)
)
def test_the_bins_of_truncation_hold_what_falls_into_them(at: datetime, unit: str, size: int) -> None:
    date = {"$date": {"$numberLong": str(ms_of(at))}}
    start = value_of({"$dateTrunc": {"date": "$d", "unit": unit, "binSize": size}}, d=date)
    following = value_of({"$dateAdd": {"startDate": "$d", "unit": unit, "amount": size}}, d=start)
    assert dates.date_ms_of(start) <= ms_of(at) < dates.date_ms_of(following)


def test_a_zone_by_name_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidQuery) as caught:
        value_of({"$hour": {"date": "$d", "timezone": "Europe/Paris"}}, d={"$date": "2024-05-15T13:14:15Z"})
    assert (caught.value.mongo_code, caught.value.pointer) == (40485, "/e/$hour/timezone")


def test_a_date_beyond_four_digits_is_written_as_its_milliseconds() -> None:
    spec = {"$dateAdd": {"startDate": "$d", "unit": "year", "amount": 9000}}
    assert value_of(spec, d={"$date": "2024-01-01T00:00:00Z"}) == {"$date": {"$numberLong": "285716592000000"}}
