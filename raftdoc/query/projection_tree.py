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
    """The names below one object; not changed once the projection is parsed, and `settle` called."""

    members: dict[str, Leaf | Branch] = field(default_factory=dict)
    only_slices: bool = False
    """Whether each of its leaves is a part of an array."""
    computes: bool = False
    """Whether one of its leaves is computed."""

    def settle(self) -> None:
        """Note what the leaves are: it is asked for with every value that the branch meets."""
        members = self.members.values()
        branches = [member for member in members if isinstance(member, Branch)]
        for branch in branches:
            branch.settle()
        self.only_slices = all(isinstance(member, SliceOf | Branch) for member in members) and all(
            branch.only_slices for branch in branches
        )
        self.computes = any(isinstance(member, Computed) for member in members) or any(
            branch.computes for branch in branches
        )

    def leaves(self, prefix: Path = ()) -> list[tuple[Path, Leaf]]:
        """Return every leaf with its path."""
        found: list[tuple[Path, Leaf]] = []
        for name, member in self.members.items():
            if isinstance(member, Branch):
                found += member.leaves((*prefix, name))
            else:
                found.append(((*prefix, name), member))
        return found
