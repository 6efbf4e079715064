"""What all tests share: how hypothesis runs, and the options of our own."""

from __future__ import annotations

import pytest
from hypothesis import settings

# An example may take as long as a loaded machine makes it take: speed is measured elsewhere.
settings.register_profile("raftdoc", deadline=None, print_blob=True)
settings.load_profile("raftdoc")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-scenarios", action="store_true", help="write the transcripts of tests/raft/scenarios anew"
    )
