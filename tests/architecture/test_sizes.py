"""Modules and functions stay small enough to be read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .source_tree import PACKAGE, Source, everything, product

MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
CATCH_ALL_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager", "managers"}


def _functions(source: Source) -> Iterator[tuple[str, int]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{source.name}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_no_module_is_longer_than_500_lines() -> None:
    long = {source.name: source.line_count for source in everything() if source.line_count > MODULE_LINES_MAX}
    assert long == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = {name: lines for source in everything() for name, lines in _functions(source) if lines > FUNCTION_LINES_MAX}
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [source.name for source in everything() if CATCH_ALL_NAMES & set(source.path.stem.split("_"))]
    assert vague == []


def test_every_package_has_a_contract_and_something_in_it() -> None:
    packages = [path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    without_contract = [
        source.name
        for source in product()
        if source.path.stem == "__init__" and source.package and not ast.get_docstring(source.tree)
    ]
    empty = [path.name for path in packages if len(list(path.rglob("*.py"))) < 2]
    assert without_contract == []
    assert empty == []
