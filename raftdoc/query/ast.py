"""What a filter says, parsed: frozen nodes, checked, with nothing left to refuse.

A path is a tuple of names; the empty path means the value itself, inside `$elemMatch` over plain values.
`$ne`, `$nin` and `$not` are Not over the positive node, as the dialect defines them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from raftdoc.document.path import Path
from raftdoc.document.value import JsonValue

if TYPE_CHECKING:
    from raftdoc.query.expression import Expression
    from raftdoc.query.regex import Pattern
    from raftdoc.query.schema import Schema

CompareOp = Literal["$eq", "$gt", "$gte", "$lt", "$lte"]
BitsOp = Literal["$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear"]


@dataclass(frozen=True, slots=True)
class Always:
    """Matches every document, or none."""

    result: bool


@dataclass(frozen=True, slots=True)
class And:
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Nor:
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    child: Node


@dataclass(frozen=True, slots=True)
class Compare:
    path: Path
    op: CompareOp
    value: JsonValue


@dataclass(frozen=True, slots=True)
class In:
    path: Path
    values: tuple[JsonValue, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value at path; `{$exists: false}` is Not over it."""

    path: Path


@dataclass(frozen=True, slots=True)
class TypeIs:
    path: Path
    aliases: frozenset[str]


@dataclass(frozen=True, slots=True)
class Regex:
    path: Path
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class ElemMatch:
    """One element meets the whole child: as an object with paths, or with is_value as it is."""

    path: Path
    child: Node
    is_value: bool


@dataclass(frozen=True, slots=True)
class Size:
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class All:
    """Each child is Compare or ElemMatch over the same path; different elements may meet them."""

    path: Path
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mod:
    path: Path
    divisor: int
    remainder: int


@dataclass(frozen=True, slots=True)
class Bits:
    """mask is never negative; a value has its two's complement, extended without end."""

    path: Path
    op: BitsOp
    mask: int


@dataclass(frozen=True, slots=True)
class ExprMatch:
    expression: Expression


@dataclass(frozen=True, slots=True)
class SchemaMatch:
    schema: Schema
    weight: int = 1
    """Keywords and values of the schema."""


Node: TypeAlias = (
    Always
    | And
    | Or
    | Nor
    | Not
    | Compare
    | In
    | Exists
    | TypeIs
    | Regex
    | ElemMatch
    | Size
    | All
    | Mod
    | Bits
    | ExprMatch
    | SchemaMatch
)

Named = TypeVar("Named", Compare, In, Exists, TypeIs, Regex, ElemMatch, Size, All, Mod, Bits)
"""The nodes that look at one path."""
