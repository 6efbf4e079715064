"""Dates as text: parsed freely as ISO 8601 or by a format, and written by a format."""

from __future__ import annotations

import re
from typing import Final

from raftdoc.query.dates import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_MINUTE,
    DateFields,
    civil_from_days,
    day_of_year,
    days_from_civil,
    days_from_iso_week,
    fields_of,
    iso_week,
    iso_weekday,
    ms_of,
    week_of_year,
)
from raftdoc.query.expressions.scope import fault

CUT_FORMAT: Final = 18535
BAD_FORMAT: Final = 18536
FORMAT_LENGTH_MAX: Final = 1000
FORMAT_TOO_LONG: Final = 146

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_ISO = re.compile(
    r"(-?\d{4})-(\d\d?)(?:-(\d\d?)(?:[T ](\d\d?)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d\d:?(?:\d\d)?)?)?)?",
    re.ASCII,
)
_PARSERS: Final = {
    "Y": r"(?P<Y>\d{4})",
    "m": r"(?P<m>\d\d?)",
    "d": r"(?P<d>\d\d?)",
    "H": r"(?P<H>\d\d?)",
    "M": r"(?P<M>\d\d?)",
    "S": r"(?P<S>\d\d?)",
    "L": r"(?P<L>\d{1,3})",
    "j": r"(?P<j>\d{1,3})",
    "G": r"(?P<G>\d{4})",
    "V": r"(?P<V>\d\d?)",
    "u": r"(?P<u>[1-7])",
    "z": r"(?P<z>Z|UTC|GMT|[+-]\d\d:?(?:\d\d)?)",
    "Z": r"(?P<Z>[+-]?\d{1,4})",
    "b": "(?P<b>" + "|".join(name[:3] for name in _MONTHS) + ")",
    "B": "(?P<B>" + "|".join(_MONTHS) + ")",
    "%": "%",
}


def parse_date(text: str, offset_ms: int | None = None) -> int | None:
    """Return the milliseconds of an ISO 8601 date, None if it is none.

    offset_ms is the zone of a text that names none; a text that names one as well is then refused.
    """
    match = _ISO.fullmatch(text)
    if match is None or (match[8] is not None and offset_ms is not None):
        return None
    year, month, day, hour, minute, second = (
        int(part or default) for part, default in zip(match.groups()[:6], (0, 1, 1, 0, 0, 0), strict=True)
    )
    at = DateFields(year, month, day, hour, minute, second, int((match[7] or "").ljust(3, "0")[:3]))
    zone_ms = _zone_ms(match[8]) if match[8] else offset_ms or 0
    return ms_of(at) - zone_ms if _is_real(at) else None


def _is_real(at: DateFields) -> bool:
    return (
        1 <= at.month <= 12
        and at.day >= 1
        and civil_from_days(days_from_civil(at.year, at.month, at.day)) == at[:3]
        and at.hour <= 23
        and at.minute <= 59
        and at.second <= 59
    )


def _zone_ms(text: str) -> int:
    if text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    size = int(digits[:2]) * MS_PER_HOUR + int(digits[2:]) * MS_PER_MINUTE
    return -size if text[0] == "-" else size


def check_format(pattern: str, allowed: str, pointer: str) -> None:
    """Check the length of a format and the letters after each `%`.

    Raises:
        InvalidQuery: it is too long, or a letter has no meaning here, or there is none.
    """
    if len(pattern) > FORMAT_LENGTH_MAX:
        raise fault(f"a format has at most {FORMAT_LENGTH_MAX} characters", pointer, FORMAT_TOO_LONG)
    place = pattern.find("%")
    while place >= 0:
        letter = pattern[place + 1 : place + 2]
        if not letter:
            raise fault("a format does not end with '%'", pointer, CUT_FORMAT)
        if letter not in allowed:
            raise fault(f"'%{letter}' is no part of a format", pointer, BAD_FORMAT)
        place = pattern.find("%", place + 2)


def parse_by_format(text: str, pattern: str, offset_ms: int | None, pointer: str) -> int | None:
    """Return the milliseconds of a text of a format, None if it is not of it.

    Raises:
        InvalidQuery: the format is none.
    """
    check_format(pattern, "".join(_PARSERS), pointer)
    parts = re.split("%(.)", pattern, flags=re.DOTALL)
    if len(set(parts[1::2]) - {"%"}) < len([letter for letter in parts[1::2] if letter != "%"]):
        return None
    source = "".join(_PARSERS[part] if place % 2 else re.escape(part) for place, part in enumerate(parts))
    match = re.fullmatch(source, text, re.ASCII)
    if match is None:
        return None
    found = {letter: part for letter, part in match.groupdict().items() if part is not None}
    if offset_ms is not None and ("z" in found or "Z" in found):
        return None
    moved = _zone_ms(found["z"]) if "z" in found else int(found.get("Z", "0")) * MS_PER_MINUTE
    days = _days_of(found)
    if days is None:
        return None
    clock = [int(found.get(letter, "0")) for letter in "HMS"]
    if clock[0] > 23 or clock[1] > 59 or clock[2] > 59:
        return None
    ms = days * MS_PER_DAY + ((clock[0] * 60 + clock[1]) * 60 + clock[2]) * 1000
    return ms + int(found.get("L", "0").ljust(3, "0")) - (moved if offset_ms is None else offset_ms)


def _days_of(found: dict[str, str]) -> int | None:
    if "G" in found:
        return days_from_iso_week(int(found["G"]), int(found.get("V", "1")), int(found.get("u", "1")))
    if "Y" not in found:
        return None
    year = int(found["Y"])
    if "j" in found:
        return days_from_civil(year, 1, 1) + int(found["j"]) - 1
    month = int(found.get("m", "1"))
    if "b" in found or "B" in found:
        month = [name[:3] for name in _MONTHS].index((found.get("b") or found["B"])[:3]) + 1
    at = DateFields(year, month, int(found.get("d", "1")), 0, 0, 0, 0)
    return days_from_civil(*at[:3]) if _is_real(at) else None


def format_date(ms: int, pattern: str, offset_ms: int, pointer: str) -> str:
    """Return a date as text; offset_ms is the zone that it is written in.

    Raises:
        InvalidQuery: the format is none.
    """
    check_format(pattern, "YmdHMSLjuwUGVzZbB%", pointer)
    local = ms + offset_ms
    at, (week_year, week) = fields_of(local), iso_week(local)
    sign, minutes = "-" if offset_ms < 0 else "+", abs(offset_ms) // MS_PER_MINUTE
    values = {
        "Y": f"{at.year:04}",
        "m": f"{at.month:02}",
        "d": f"{at.day:02}",
        "H": f"{at.hour:02}",
        "M": f"{at.minute:02}",
        "S": f"{at.second:02}",
        "L": f"{at.millisecond:03}",
        "j": f"{day_of_year(local):03}",
        "u": str(iso_weekday(local)),
        "w": str(iso_weekday(local) % 7 + 1),
        "U": f"{week_of_year(local):02}",
        "G": f"{week_year:04}",
        "V": f"{week:02}",
        "z": f"{sign}{minutes // 60:02}{minutes % 60:02}",
        "Z": f"{sign}{minutes}",
        "b": _MONTHS[at.month - 1][:3],
        "B": _MONTHS[at.month - 1],
        "%": "%",
    }
    return re.sub("%(.)", lambda match: values[match[1]], pattern, flags=re.DOTALL)
