"""Operators on dates. A timezone is UTC or an offset; see `dates.offset_ms_of` for why it is no name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from raftdoc.document.path import is_object
from raftdoc.document.tagged import date_ms_of, object_id_of
from raftdoc.query.date_text import format_date, parse_by_format, parse_date
from raftdoc.query.dates import (
    MS_PER_DAY,
    DateFields,
    day_of_year,
    days_from_civil,
    days_from_iso_week,
    fields_of,
    is_date,
    iso_week,
    iso_weekday,
    ms_of,
    offset_ms_of,
    tagged_date,
    week_of_year,
)
from raftdoc.query.expressions.compile import compile_operand
from raftdoc.query.expressions.operands import compile_members, is_nullish, named
from raftdoc.query.expressions.scope import Builder, Code, Frame, Scope, Value, fault, fold
from raftdoc.query.numbers import as_whole, is_number
from raftdoc.query.type_names import type_name

NO_DATE: Final = 16006
CONVERSION_FAILURE: Final = 241

_PARTS: Final[Mapping[str, Callable[[int], int]]] = {
    "$year": lambda ms: fields_of(ms).year,
    "$month": lambda ms: fields_of(ms).month,
    "$dayOfMonth": lambda ms: fields_of(ms).day,
    "$hour": lambda ms: fields_of(ms).hour,
    "$minute": lambda ms: fields_of(ms).minute,
    "$second": lambda ms: fields_of(ms).second,
    "$millisecond": lambda ms: fields_of(ms).millisecond,
    "$dayOfYear": day_of_year,
    "$dayOfWeek": lambda ms: iso_weekday(ms) % 7 + 1,
    "$isoDayOfWeek": iso_weekday,
    "$week": week_of_year,
    "$isoWeek": lambda ms: iso_week(ms)[1],
    "$isoWeekYear": lambda ms: iso_week(ms)[0],
}


def ms_of_value(value: Value, pointer: str, mongo_code: int = NO_DATE) -> int:
    """Return the milliseconds of a date, or of the moment in an object id.

    Raises:
        InvalidQuery: it is neither.
    """
    if is_date(value):
        return date_ms_of(value)
    if type_name(value) == "objectId":
        return int.from_bytes(object_id_of(value)[:4], "big") * 1000
    raise fault(f"a date is needed, not {type_name(value)}", pointer, mongo_code)


def zone_of(members: Mapping[str, Value], pointer: str, mongo_code: int = 40517) -> int | None:
    """Return how far the `timezone` is ahead of UTC, None if it is null.

    Raises:
        InvalidQuery: it is none.
    """
    if "timezone" not in members:
        return 0
    zone = members["timezone"]
    if is_nullish(zone):
        return None
    if not isinstance(zone, str):
        raise fault(f"a timezone is a string, not {type_name(zone)}", f"{pointer}/timezone", mongo_code)
    return offset_ms_of(zone, f"{pointer}/timezone")


def _part(part_of: Callable[[int], int]) -> Builder:
    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        codes = _date_and_zone(spec, scope, pointer)
        runs = [(name, code.run) for name, code in codes.items()]

        def run(frame: Frame) -> Value:
            members = {name: run_member(frame) for name, run_member in runs}
            if is_nullish(members["date"]):
                return None
            offset_ms = zone_of(members, pointer, 40533)
            return None if offset_ms is None else part_of(ms_of_value(members["date"], pointer) + offset_ms)

        return fold(run, list(codes.values()), scope)

    return build


def _date_and_zone(spec: Value, scope: Scope, pointer: str) -> dict[str, Code]:
    if isinstance(spec, list):
        if len(spec) != 1:
            raise fault("this operator takes exactly one operand", pointer, 40536)
        return {"date": compile_operand(spec[0], scope, f"{pointer}/0")}
    if not is_object(spec) or not spec or next(iter(spec))[:1] == "$":
        return {"date": compile_operand(spec, scope, pointer)}
    names = {"date": 40539, "timezone": None}
    return compile_members(spec, scope, pointer, names=names, not_object=40535, unknown=40535)


def _to_parts(members: dict[str, Value], pointer: str) -> Value:
    is_iso = members.get("iso8601", False)
    if is_nullish(members["date"]) or is_nullish(is_iso):
        return None
    if not isinstance(is_iso, bool):
        raise fault("iso8601 is true or false", f"{pointer}/iso8601", 40521)
    offset_ms = zone_of(members, pointer)
    if offset_ms is None:
        return None
    ms = ms_of_value(members["date"], pointer) + offset_ms
    at, (week_year, week) = fields_of(ms), iso_week(ms)
    clock = {"hour": at.hour, "minute": at.minute, "second": at.second, "millisecond": at.millisecond}
    if is_iso:
        return {"isoWeekYear": week_year, "isoWeek": week, "isoDayOfWeek": iso_weekday(ms), **clock}
    return {"year": at.year, "month": at.month, "day": at.day, **clock}


_CLOCK: Final = ("hour", "minute", "second", "millisecond")
_CIVIL: Final = ("year", "month", "day")
_ISO: Final = ("isoWeekYear", "isoWeek", "isoDayOfWeek")
_PART_NAMES: Final = dict.fromkeys((*_CIVIL, *_ISO, *_CLOCK, "timezone"))
_CARRY_MAX: Final = 32_768


def _build_from_parts(spec: Value, scope: Scope, pointer: str) -> Code:
    codes = compile_members(spec, scope, pointer, names=_PART_NAMES, not_object=40519, unknown=40518)
    if "year" not in codes and "isoWeekYear" not in codes:
        raise fault("a date needs year or isoWeekYear", pointer, 40516)
    if "year" in codes and any(name in codes for name in _ISO):
        raise fault("year does not go with parts of an ISO week", pointer, 40489)
    if "isoWeekYear" in codes and any(name in codes for name in _CIVIL):
        raise fault("isoWeekYear does not go with year, month or day", pointer, 40525)
    runs = [(name, code.run) for name, code in codes.items()]

    def run(frame: Frame) -> Value:
        members = {name: run_member(frame) for name, run_member in runs}
        parts = {name: _whole(value, f"{pointer}/{name}") for name, value in members.items() if name != "timezone"}
        offset_ms = zone_of(members, pointer)
        if offset_ms is None or None in parts.values():
            return None
        whole = {name: part for name, part in parts.items() if part is not None}
        return tagged_date(_from_parts(whole, pointer) - offset_ms, pointer)

    return fold(run, list(codes.values()), scope)


def _whole(value: Value, pointer: str) -> int | None:
    if is_nullish(value):
        return None
    whole = as_whole(value) if is_number(value) else None
    if whole is None:
        raise fault("a part of a date is a whole number", pointer, 40515)
    return whole


def _from_parts(parts: dict[str, int], pointer: str) -> int:
    for name, part in parts.items():
        if name in ("year", "isoWeekYear"):
            if not 1 <= part <= 9999:
                raise fault("a year is from 1 to 9999", f"{pointer}/{name}", 40523)
        elif not -_CARRY_MAX <= part < _CARRY_MAX and name not in ("second", "millisecond"):
            raise fault(f"a part is from {-_CARRY_MAX} to {_CARRY_MAX - 1}", f"{pointer}/{name}", 31034)
    if "isoWeekYear" in parts:
        days = days_from_iso_week(parts["isoWeekYear"], parts.get("isoWeek", 1), parts.get("isoDayOfWeek", 1))
    else:
        days = days_from_civil(parts["year"], parts.get("month", 1), parts.get("day", 1))
    return days * MS_PER_DAY + ms_of(DateFields(1970, 1, 1, *(parts.get(name, 0) for name in _CLOCK)))


def _build_from_string(spec: Value, scope: Scope, pointer: str) -> Code:
    names = {"dateString": 40542, "format": None, "timezone": None, "onError": None, "onNull": None}
    codes = compile_members(spec, scope, pointer, names=names, not_object=40540, unknown=40541)
    lazy = {name: codes.pop(name).run for name in ("onError", "onNull") if name in codes}
    runs = [(name, code.run) for name, code in codes.items()]

    def run(frame: Frame) -> Value:
        members = {name: run_member(frame) for name, run_member in runs}
        pattern, text = members.get("format"), members["dateString"]
        if not is_nullish(pattern) and not isinstance(pattern, str):
            raise fault(f"a format is a string, not {type_name(pattern)}", f"{pointer}/format", 40684)
        offset_ms = zone_of(members, pointer) if "timezone" in members else None
        if is_nullish(text):
            return lazy["onNull"](frame) if "onNull" in lazy else None
        if is_nullish(members.get("timezone", "")) or ("format" in members and pattern is None):
            return None
        ms = _parsed(text, pattern, offset_ms, pointer)
        if ms is not None:
            return tagged_date(ms, pointer)
        if "onError" in lazy:
            return lazy["onError"](frame)
        raise fault("the text is no date of that form", f"{pointer}/dateString", CONVERSION_FAILURE)

    return Code(run)


def _parsed(text: Value, pattern: str | None, offset_ms: int | None, pointer: str) -> int | None:
    if not isinstance(text, str):
        return None
    if isinstance(pattern, str):
        return parse_by_format(text, pattern, offset_ms, f"{pointer}/format")
    return parse_date(text, offset_ms)


def _build_to_string(spec: Value, scope: Scope, pointer: str) -> Code:
    names = {"date": 18628, "format": None, "timezone": None, "onNull": None}
    codes = compile_members(spec, scope, pointer, names=names, not_object=18629, unknown=18534)
    on_null = codes.pop("onNull").run if "onNull" in codes else None
    runs = [(name, code.run) for name, code in codes.items()]

    def run(frame: Frame) -> Value:
        members = {name: run_member(frame) for name, run_member in runs}
        pattern = members.get(
            "format", "%Y-%m-%dT%H:%M:%S.%LZ" if "timezone" not in members else "%Y-%m-%dT%H:%M:%S.%L"
        )
        if not is_nullish(pattern) and not isinstance(pattern, str):
            raise fault(f"a format is a string, not {type_name(pattern)}", f"{pointer}/format", 18533)
        offset_ms = zone_of(members, pointer)
        if is_nullish(members["date"]):
            return on_null(frame) if on_null is not None else None
        if offset_ms is None or is_nullish(pattern):
            return None
        return format_date(ms_of_value(members["date"], pointer), pattern, offset_ms, f"{pointer}/format")

    return Code(run)


OPERATORS: Final[Mapping[str, Builder]] = {
    **{name: _part(part_of) for name, part_of in _PARTS.items()},
    "$dateToParts": named(
        _to_parts,
        names={"date": 40522, "timezone": None, "iso8601": None},
        not_object=40524,
        unknown=40520,
    ),
    "$dateFromParts": _build_from_parts,
    "$dateFromString": _build_from_string,
    "$dateToString": _build_to_string,
}
