"""What a projection says, as a tree of names: parsed, of one mode, without conflicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from raftdoc.document.path import Path

if TYPE_CHECKING:
    from raftdoc.query.expression import Expression
    from raftdoc.query.filter import Filter

Mode = Literal["include", "exclude"]


class Keep(NamedTuple):
    """The field as it is."""


class Drop(NamedTuple):
    """Not the field."""


class Computed(NamedTuple):
    """The value of an expression over the whole document."""

    expression: Expression


class SliceOf(NamedTuple):
    """A part of an array: `skip` from its start, or from its end when negative; None: the last `limit`."""

    skip: int | None
    limit: int


class FirstMatch(NamedTuple):
    """The first element that a filter matches, as an array of one; `condition` matches `{"e": array}`."""

    condition: Filter


class Positional(NamedTuple):
    """The element by which the filter of the query matched."""


Leaf: TypeAlias = Keep | Drop | Computed | SliceOf | FirstMatch | Positional


@dataclass(slots=True)
class Branch:
    """The names below one object; not changed once the projection is parsed."""

    members: dict[str, Leaf | Branch] = field(default_factory=dict)

    def leaves(self, prefix: Path = ()) -> list[tuple[Path, Leaf]]:
        """Return every leaf with its path."""
        found: list[tuple[Path, Leaf]] = []
        for name, member in self.members.items():
            if isinstance(member, Branch):
                found += member.leaves((*prefix, name))
            else:
                found.append(((*prefix, name), member))
        return found
