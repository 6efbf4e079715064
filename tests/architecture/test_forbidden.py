"""What never stands in the source: each rule prevents a fault that is known."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from raftdoc.server.settings import SETTINGS

from .source_tree import PURE_PACKAGES, Source, calls, everything, imports, product, sources

EDGES_MAX = 3
JUDGED_IN_CONFIG = {"insecure", "secret_file"}
"""Settings that the settings themselves are judged by."""
BLOCKING_SLEEP = "time.sleep"


def _handlers(source: Source, caught: str) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and node.type and caught in ast.unparse(node.type).split("."):
            yield node


def test_exception_is_caught_at_three_edges_at_most() -> None:
    edges = [f"{source.name}:{node.lineno}" for source in product() for node in _handlers(source, "Exception")]
    assert len(edges) <= EDGES_MAX, edges


def test_nothing_swallows_what_ends_a_task() -> None:
    swallowed = [
        f"{source.name}:{node.lineno}"
        for source in product()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or "BaseException" in ast.unparse(node.type))
        and not isinstance(node.body[-1], ast.Raise)
    ]
    assert swallowed == []


def test_nothing_is_raised_within_except_star() -> None:
    """The Python 3.11.2 of Debian 12 puts it into a group, which the next handler does not look for."""
    raised = [
        f"{source.name}:{node.lineno}"
        for source in everything()
        for group in ast.walk(source.tree)
        if isinstance(group, ast.TryStar)
        for handler in group.handlers
        for node in ast.walk(handler)
        if isinstance(node, ast.Raise) and node.exc is not None
    ]
    assert raised == []


def test_environment_is_read_in_the_settings_only() -> None:
    readers = [
        source.name
        for source in product()
        if source.name != "raftdoc/server/config.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in {"os.environ", "os.getenv", "environ"}
    ]
    assert readers == []


def test_every_setting_is_read_by_something() -> None:
    read = {
        node.attr
        for source in product()
        if source.name != "raftdoc/server/config.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings")
    }
    ignored = {setting.name for setting in SETTINGS} - read - JUDGED_IN_CONFIG
    assert ignored == set()


def test_pure_floors_neither_log_nor_measure() -> None:
    acting = [
        f"{source.name}:{line} {name}"
        for source in product()
        if source.package in PURE_PACKAGES
        for name, line in imports(source)
        if name.split(".")[0] == "logging" or name.startswith("raftdoc.telemetry")
    ]
    assert acting == []


def test_no_test_sleeps_instead_of_waiting_for_a_condition() -> None:
    asleep = [
        f"{source.name}:{line}" for source in sources("tests") for name, line in calls(source) if name == BLOCKING_SLEEP
    ]
    assert asleep == []


def test_an_asynchronous_sleep_in_a_test_stands_in_a_loop_that_looks() -> None:
    outside = [
        f"{source.name}:{node.lineno}"
        for source in sources("tests")
        for node in _outside_loops(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.sleep" and ast.unparse(node.args[0]) != "0"
    ]
    assert outside == []


def _outside_loops(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.While | ast.For | ast.AsyncFor):
            yield child
            yield from _outside_loops(child)


def test_no_mock_and_no_patch() -> None:
    mocked = [
        f"{source.name}:{line} {name}"
        for source in everything()
        for name, line in imports(source)
        if "mock" in name.split(".") or name.startswith("monkeypatch")
    ]
    assert mocked == []


def test_bytes_from_outside_never_become_code() -> None:
    dangerous = {"pickle", "marshal", "shelve", "dill"}
    found = [
        f"{source.name}:{line} {name}"
        for source in everything()
        for name, line in imports(source)
        if name.split(".")[0] in dangerous
    ]
    found += [
        f"{source.name}:{line} {name}"
        for source in product()
        for name, line in calls(source)
        if name in {"eval", "exec"}
    ]
    assert found == []
