"""The Python files of the project, parsed: what the architecture tests look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "raftdoc"
PURE_PACKAGES = ("raft", "document", "statemachine", "wire", "query", "sharding")


class Source(NamedTuple):
    path: Path
    tree: ast.Module
    line_count: int

    @property
    def name(self) -> str:
        return str(self.path.relative_to(REPOSITORY))

    @property
    def package(self) -> str:
        """The first directory under raftdoc/ (or the module's own name), or "" for other trees."""
        parts = self.path.relative_to(REPOSITORY).parts
        return parts[1].removesuffix(".py") if parts[0] == "raftdoc" else ""


@cache
def sources(*trees: str) -> tuple[Source, ...]:
    """Return every Python file below the named directories of the repository."""
    return tuple(_read(path) for tree in trees for path in sorted((REPOSITORY / tree).rglob("*.py")))


def product() -> tuple[Source, ...]:
    return sources("raftdoc")


def everything() -> tuple[Source, ...]:
    return sources("raftdoc", "tests", "examples", "jepsen-lite")


def _read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path, ast.parse(text, str(path)), text.count("\n"))


def calls(source: Source) -> Iterator[tuple[str, int]]:
    """Yield the dotted name and the line of every call."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def imports(source: Source) -> Iterator[tuple[str, int]]:
    """Yield the module named and the line of every import that runs (not those under TYPE_CHECKING)."""
    skipped = _type_checking_lines(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import) and node.lineno not in skipped:
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.lineno not in skipped:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _type_checking_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines
