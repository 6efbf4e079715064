"""`$dateAdd`, `$dateSubtract`, `$dateDiff` and `$dateTrunc`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raftdoc.query.dates import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_MINUTE,
    MS_PER_SECOND,
    DateFields,
    civil_from_days,
    days_from_civil,
    fields_of,
    ms_of,
    tagged_date,
)
from raftdoc.query.expressions.dates import ms_of_value, zone_of
from raftdoc.query.expressions.operands import is_nullish, named
from raftdoc.query.expressions.scope import Builder, Value, fault
from raftdoc.query.numbers import as_whole, is_number
from raftdoc.query.type_names import type_name

FAILED_TO_PARSE: Final = 9
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_FIXED_MS: Final = {
    "millisecond": 1,
    "second": MS_PER_SECOND,
    "minute": MS_PER_MINUTE,
    "hour": MS_PER_HOUR,
    "day": MS_PER_DAY,
    "week": 7 * MS_PER_DAY,
}
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_REFERENCE_DAY: Final = days_from_civil(2000, 1, 1)
"""From where the bins of `$dateTrunc` are counted; a Saturday."""
_MONTH_MS: Final = 2_629_746_000
"""A twelfth of the mean year of the calendar."""
_SPAN_MS_MAX: Final = 1 << 64


def _unit(value: Value, pointer: str, not_text: int) -> str:
    if not isinstance(value, str):
        raise fault(f"a unit is a string, not {type_name(value)}", f"{pointer}/unit", not_text)
    if value not in _MONTHS and value not in _FIXED_MS:
        raise fault(f"there is no unit {value!r}", f"{pointer}/unit", FAILED_TO_PARSE)
    return value


def _add_months(ms: int, months: int) -> int:
    """Return a date moved by months; a day that the month does not have becomes its last."""
    at = fields_of(ms)
    first = days_from_civil(at.year, at.month + months, 1)
    year, month, _ = civil_from_days(first)
    length = days_from_civil(year, month + 1, 1) - first
    return ms_of(at._replace(year=year, month=month, day=min(at.day, length)))


def _adder(sign: int) -> Builder:
    def add(members: dict[str, Value], pointer: str) -> Value:
        if any(map(is_nullish, members.values())):
            return None
        ms = ms_of_value(members["startDate"], f"{pointer}/startDate", 5166403)
        unit = _unit(members["unit"], pointer, 5166404)
        amount = as_whole(members["amount"]) if is_number(members["amount"]) else None
        if amount is None:
            raise fault("an amount is a whole number", f"{pointer}/amount", 5166405)
        if abs(amount) * (_FIXED_MS.get(unit) or _MONTHS[unit] * _MONTH_MS) > _SPAN_MS_MAX:
            raise fault("no date is so far from another", f"{pointer}/amount", 5976500)
        offset_ms = zone_of(members, pointer) or 0
        if unit in _MONTHS:
            moved = _add_months(ms + offset_ms, sign * amount * _MONTHS[unit]) - offset_ms
        else:
            moved = ms + sign * amount * _FIXED_MS[unit]
        return tagged_date(moved, pointer)

    names = {"startDate": 5166402, "unit": 5166402, "amount": 5166402, "timezone": None}
    return named(add, names=names, not_object=5166400, unknown=5166401)


def _weekday(members: Mapping[str, Value], pointer: str) -> int:
    """Return the day on which weeks begin, 0 for Monday."""
    value = members.get("startOfWeek", "sunday")
    below = f"{pointer}/startOfWeek"
    if not isinstance(value, str):
        raise fault(f"startOfWeek is a string, not {type_name(value)}", below, 5439015)
    names = [name for name in _WEEKDAYS if value.lower() in (name, name[:3])]
    if not names:
        raise fault(f"{value!r} is no day of the week", below, 5439016)
    return _WEEKDAYS.index(names[0])


def _count_of(ms: int, unit: str, weekday: int) -> int:
    """Return how many units lie between some fixed moment and a date: a difference of two is that of the dates."""
    if unit in _MONTHS:
        at = fields_of(ms)
        return (at.year * 12 + at.month - 1) // _MONTHS[unit]
    if unit == "week":
        # 1970-01-01 was a Thursday.
        return (ms // MS_PER_DAY + 3 - weekday) // 7
    return ms // _FIXED_MS[unit]


def _difference(members: dict[str, Value], pointer: str) -> Value:
    if any(map(is_nullish, members.values())):
        return None
    start = ms_of_value(members["startDate"], f"{pointer}/startDate", 5166307)
    end = ms_of_value(members["endDate"], f"{pointer}/endDate", 5166307)
    unit = _unit(members["unit"], pointer, 5439013)
    offset_ms = zone_of(members, pointer) or 0
    weekday = _weekday(members, pointer) if unit == "week" else 0
    return _count_of(end + offset_ms, unit, weekday) - _count_of(start + offset_ms, unit, weekday)


def _truncated(members: dict[str, Value], pointer: str) -> Value:
    if any(map(is_nullish, members.values())):
        return None
    ms = ms_of_value(members["date"], f"{pointer}/date", 5166307)
    unit = _unit(members["unit"], pointer, 5439013)
    size = _bin_size(members.get("binSize", 1), f"{pointer}/binSize")
    offset_ms = zone_of(members, pointer) or 0
    weekday = _weekday(members, pointer) if unit == "week" else 0
    return tagged_date(_bin_start(ms + offset_ms, unit, size, weekday) - offset_ms, pointer)


def _bin_size(value: Value, pointer: str) -> int:
    whole = as_whole(value) if is_number(value) else None
    if whole is None:
        raise fault("binSize is a whole number", pointer, 5439017)
    if whole < 1:
        raise fault("binSize is positive", pointer, 5439018)
    return whole


def _bin_start(ms: int, unit: str, size: int, weekday: int) -> int:
    if unit in _MONTHS:
        at = fields_of(ms)
        step = size * _MONTHS[unit]
        months = (at.year - 2000) * 12 + at.month - 1
        return ms_of(DateFields(2000, 1 + months - months % step, 1, 0, 0, 0, 0))
    reference = _REFERENCE_DAY
    if unit == "week":
        # The first beginning of a week at or after the reference.
        reference += (weekday - (reference + 3)) % 7
    step = size * _FIXED_MS[unit]
    return ms - (ms - reference * MS_PER_DAY) % step


OPERATORS: Final[Mapping[str, Builder]] = {
    "$dateAdd": _adder(1),
    "$dateSubtract": _adder(-1),
    "$dateDiff": named(
        _difference,
        names={"startDate": 5166303, "endDate": 5166304, "unit": 5166305, "timezone": None, "startOfWeek": None},
        not_object=5166301,
        unknown=5166302,
    ),
    "$dateTrunc": named(
        _truncated,
        names={"date": 5439009, "unit": 5439010, "timezone": None, "binSize": None, "startOfWeek": None},
        not_object=5439007,
        unknown=5439008,
    ),
}
