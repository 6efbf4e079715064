"""Dates of the proleptic Gregorian calendar, by the millisecond, at a fixed offset from UTC.

A date is its milliseconds since 1970; `fields_of` takes it apart and `ms_of` puts it together, for any year that
int64 milliseconds reach, normalising months and days out of range as the dialect does.

Source: days-from-civil of Howard Hinnant; week numbers of ISO 8601.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from raftdoc.document.tagged import date_ms_of
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN
from raftdoc.query.expressions.scope import fault
from raftdoc.query.numbers import Number, as_float, finite

MS_PER_SECOND: Final = 1000
MS_PER_MINUTE: Final = 60 * MS_PER_SECOND
MS_PER_HOUR: Final = 60 * MS_PER_MINUTE
MS_PER_DAY: Final = 24 * MS_PER_HOUR
OVERFLOW: Final = 15

_OFFSET = re.compile(r"([+-])(\d\d)(?::?(\d\d))?", re.ASCII)
_ZONES_OF_UTC: Final = frozenset({"UTC", "GMT", "Z", "Etc/UTC", "Etc/GMT", "Zulu", "Etc/Zulu", "Universal", "UCT"})
_FOUR_DIGIT_YEAR_FIRST: Final = -62_135_596_800_000
_FOUR_DIGIT_YEAR_LAST: Final = 253_402_300_799_999


class DateFields(NamedTuple):
    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    millisecond: int


def is_date(value: Any) -> bool:
    """Return whether a value is a tagged date."""
    return type(value) is dict and len(value) == 1 and "$date" in value


def tagged_date(ms: int, pointer: str) -> dict[str, Any]:
    """Return the tagged date of milliseconds since 1970; as ISO 8601 where the year has four digits.

    Raises:
        InvalidQuery: it is outside int64.
    """
    if not INTEGER_MIN <= ms <= INTEGER_MAX:
        raise fault("the date is outside the range of 64-bit milliseconds", pointer, OVERFLOW)
    if not _FOUR_DIGIT_YEAR_FIRST <= ms <= _FOUR_DIGIT_YEAR_LAST:
        return {"$date": {"$numberLong": str(ms)}}
    return {"$date": iso_text(ms)}


def iso_text(ms: int) -> str:
    """Return a date in ISO 8601, with milliseconds where there are some."""
    at = fields_of(ms)
    fraction = f".{at.millisecond:03}" if at.millisecond else ""
    return f"{at.year:04}-{at.month:02}-{at.day:02}T{at.hour:02}:{at.minute:02}:{at.second:02}{fraction}Z"


def add_ms(date: dict[str, Any], ms: Number, pointer: str) -> dict[str, Any]:
    """Return a date moved by a number of milliseconds, rounded to whole ones."""
    whole = ms if type(ms) is int else round(finite(as_float(ms), pointer))
    return tagged_date(date_ms_of(date) + whole, pointer)


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01; month and day may be out of range."""
    carried, month0 = divmod(month - 1, 12)
    year += carried
    shifted = year - (month0 < 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month0 + 10) % 12) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return year, month and day of days since 1970-01-01."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    return year, month, day_of_year - (153 * shifted_month + 2) // 5 + 1


def fields_of(ms: int) -> DateFields:
    """Take a date apart; ms is already moved into the wanted zone."""
    days, rest = divmod(ms, MS_PER_DAY)
    hour, rest = divmod(rest, MS_PER_HOUR)
    minute, rest = divmod(rest, MS_PER_MINUTE)
    return DateFields(*civil_from_days(days), hour, minute, *divmod(rest, MS_PER_SECOND))


def ms_of(at: DateFields) -> int:
    """Put a date together; fields out of range carry over."""
    days = days_from_civil(at.year, at.month, at.day)
    return ((days * 24 + at.hour) * 60 + at.minute) * MS_PER_MINUTE + at.second * MS_PER_SECOND + at.millisecond


def day_of_year(ms: int) -> int:
    """Return 1 to 366."""
    days = ms // MS_PER_DAY
    return days - days_from_civil(civil_from_days(days)[0], 1, 1) + 1


def iso_weekday(ms: int) -> int:
    """Return 1 for Monday to 7 for Sunday."""
    return (ms // MS_PER_DAY + 3) % 7 + 1


def iso_week(ms: int) -> tuple[int, int]:
    """Return the year and number of the ISO week."""
    thursday = ms // MS_PER_DAY - iso_weekday(ms) + 4
    year = civil_from_days(thursday)[0]
    return year, (thursday - days_from_civil(year, 1, 1)) // 7 + 1


def days_from_iso_week(year: int, week: int, weekday: int) -> int:
    """Return days since 1970-01-01 of a day of an ISO week."""
    january_4 = days_from_civil(year, 1, 4)
    monday = january_4 - (january_4 + 3) % 7
    return monday + (week - 1) * 7 + weekday - 1


def week_of_year(ms: int) -> int:
    """Return 0 to 53; weeks begin on Sunday, week 0 lies before the first Sunday."""
    weekday = iso_weekday(ms) % 7
    return (day_of_year(ms) - 1 + 7 - weekday) // 7


def offset_ms_of(zone: str, pointer: str) -> int:
    """Return how far a zone is ahead of UTC: `UTC` and its other names, or `+05:30`, `+0530`, `+05`.

    Raises:
        InvalidQuery: another zone. Names such as `Europe/Paris` stand in a database whose versions differ
            between nodes, and so would what the same query says there.
    """
    if zone in _ZONES_OF_UTC:
        return 0
    match = _OFFSET.fullmatch(zone)
    if match is None:
        raise fault(f"{zone!r} is no zone: use UTC or an offset such as +05:30", pointer, 40485)
    offset_ms = int(match[2]) * MS_PER_HOUR + int(match[3] or 0) * MS_PER_MINUTE
    return -offset_ms if match[1] == "-" else offset_ms
