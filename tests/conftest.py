"""What all tests share: how hypothesis runs."""

from __future__ import annotations

from hypothesis import settings

# An example may take as long as a loaded machine makes it take: speed is measured elsewhere.
settings.register_profile("raftdoc", deadline=None, print_blob=True)
settings.load_profile("raftdoc")
