"""The README's commands are the ones that are run: by CI, and by whoever reads it."""

from __future__ import annotations

import re
import tomllib

from .manual import REPOSITORY, manual

SET_UP = re.compile(r"^python3 -m venv \.venv && .*$", re.MULTILINE)
INSTALL = (
    ".venv/bin/pip install -q --require-hashes -r requirements.lock",
    ".venv/bin/pip install -q --no-deps --no-build-isolation -e .",
)


def set_up_commands() -> list[list[str]]:
    return [command.split(" && ") for command in SET_UP.findall(manual("README.md"))]


def test_there_are_two_set_up_commands_of_one_line_each() -> None:
    assert set_up_commands() == [
        ["python3 -m venv .venv", *INSTALL, ".venv/bin/raftdoc dev"],
        ["python3 -m venv .venv", *INSTALL, ".venv/bin/python -m pytest"],
    ]


def test_ci_installs_and_tests_as_the_readme_says() -> None:
    ci = manual(".ci/run").replace("--quiet --disable-pip-version-check", "-q")
    for command in (*INSTALL, ".venv/bin/python -m pytest"):
        assert command in ci, command
    assert ci.rstrip().endswith("exec .venv/bin/python -m pytest")


def test_every_link_of_the_manuals_leads_somewhere() -> None:
    broken = []
    for path in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert broken == []


def test_lock_names_every_dependency_with_hashes_and_no_host() -> None:
    lock = manual("requirements.lock")
    pinned = {
        name.lower().replace("_", "-"): version for name, version in re.findall(r"^([\w.-]+)==(\S+) \\$", lock, re.M)
    }
    project = tomllib.loads(manual("pyproject.toml"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    missing = [need for need in wanted if re.split(r"[<>=!]", need)[0] not in pinned]
    assert missing == []
    assert f"rocksdict=={pinned['rocksdict']}" in project["dependencies"]
    assert lock.count("==") <= lock.count("--hash=sha256:")
    assert not re.search(r"https?://|--index-url|--find-links|--trusted-host", lock)
