"""All workloads by name, fresh for each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jepsen_lite.workloads.duplicates import DuplicatesWorkload
from jepsen_lite.workloads.register import RegisterWorkload
from jepsen_lite.workloads.workload import Workload

WORKLOADS: Final[dict[str, Callable[[], Workload]]] = {
    "register": RegisterWorkload,
    "duplicates": DuplicatesWorkload,
}

SKIPPED: Final = {
    "list-append": "the product has no transactions yet",
    "bank": "the product has no transactions yet",
    "change-feed": "the product has no change feeds yet",
}
"""What cannot be run, and why. It is named, so that nobody takes it for passed."""
