"""All workloads by name, fresh for each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jepsen_lite.workloads.catalog import CreateDropWorkload
from jepsen_lite.workloads.duplicates import DuplicatesWorkload
from jepsen_lite.workloads.elements import CounterWorkload, SetWorkload, UniqueIdsWorkload
from jepsen_lite.workloads.index_scan import IndexScanWorkload
from jepsen_lite.workloads.ordering import CausalReverseWorkload, LongForkWorkload
from jepsen_lite.workloads.queries import QueriesWorkload
from jepsen_lite.workloads.queue import QueueWorkload
from jepsen_lite.workloads.register import RegisterWorkload
from jepsen_lite.workloads.service import AvailabilityWorkload, MembershipWorkload
from jepsen_lite.workloads.sessions import SessionsWorkload
from jepsen_lite.workloads.workload import Workload

WORKLOADS: Final[dict[str, Callable[[], Workload]]] = {
    "register": RegisterWorkload,
    "set": SetWorkload,
    "counter": CounterWorkload,
    "duplicates": DuplicatesWorkload,
    "unique-ids": UniqueIdsWorkload,
    "queue": QueueWorkload,
    "long-fork": LongForkWorkload,
    "causal-reverse": CausalReverseWorkload,
    "sessions": SessionsWorkload,
    "index-scan": IndexScanWorkload,
    "queries": QueriesWorkload,
    "create-drop": CreateDropWorkload,
    "membership": MembershipWorkload,
    "availability": AvailabilityWorkload,
}

SKIPPED: Final = {
    "list-append": "the product has no transactions yet",
    "bank": "the product has no transactions yet",
    "change-feed": "the product has no change feeds yet",
}
"""What cannot be run, and why. It is named, so that nobody takes it for passed."""
