"""All faults by name, fresh for each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jepsen_lite.faults import clocks, damage, disks, network
from jepsen_lite.faults.clocks import ClockFault
from jepsen_lite.faults.damage import Damage
from jepsen_lite.faults.disks import PowerLoss
from jepsen_lite.faults.fault import Fault
from jepsen_lite.faults.network import Bend
from jepsen_lite.faults.operators import DescriptorExhaustion, MembershipChurn, SnapshotStorm, Transfer
from jepsen_lite.faults.processes import CrashLoop, Kill, Pause, RollingRestart
from jepsen_lite.links import Rule

FAULTS: Final[dict[str, Callable[[], Fault]]] = {
    "kill": lambda: Kill("kill"),
    "term": lambda: Kill("term", is_term=True),
    "crash-loop": lambda: CrashLoop("crash-loop"),
    "pause": lambda: Pause("pause"),
    "rolling-restart": lambda: RollingRestart("rolling-restart"),
    "partition-halves": lambda: Bend("partition-halves", cut=network.halves),
    "partition-ring": lambda: Bend("partition-ring", cut=network.ring),
    "partition-bridge": lambda: Bend("partition-bridge", cut=network.bridge),
    "partition-leader": lambda: Bend("partition-leader", cut=network.isolated_leader),
    "partition-node": lambda: Bend("partition-node", cut=network.one_node),
    "partition-one-way": lambda: Bend("partition-one-way", cut=network.one_way),
    "latency": lambda: Bend("latency", cut=network.leader_links, rule=Rule(delay_s=0.12), count="delayed"),
    "jitter": lambda: Bend("jitter", rule=Rule(jitter_s=0.4), count="delayed"),
    "loss": lambda: Bend("loss", rule=Rule(loss=0.2), count="lost"),
    "cut-frame": lambda: Bend("cut-frame", rule=Rule(cut=0.05), count="cut"),
    "half-open": lambda: Bend("half-open", cut=network.one_way, rule=Rule(is_silent=True), count="silent"),
    "client-half-open": lambda: Bend(
        "client-half-open",
        has_client_links=True,
        cut=network.client_links,
        rule=Rule(is_silent=True),
        count="silent",
    ),
    "answers-lost": lambda: Bend(
        "answers-lost", has_client_links=True, cut=network.answers, rule=Rule(answer_loss=0.3), count="answers lost"
    ),
    "clock-jump": lambda: ClockFault("clock-jump", bend=clocks.jump),
    "clock-rate": lambda: ClockFault("clock-rate", bend=clocks.rate, kinds=("one", "leader")),
    "clock-skew": lambda: ClockFault("clock-skew", bend=clocks.skew),
    "wall-clock-jump": lambda: ClockFault("wall-clock-jump", bend=clocks.jump, means=clocks.FAKE_TIME),
    "disk-full": disks.disk_full,
    "write-error": disks.write_error,
    "sync-error": disks.sync_error,
    "slow-sync": disks.slow_sync,
    "power-loss": lambda: PowerLoss("power-loss"),
    "torn-tail": lambda: PowerLoss("torn-tail", is_torn=True),
    "bit-flip": lambda: Damage("bit-flip", act=damage.flip_bit),
    "truncation": lambda: Damage("truncation", act=damage.truncate),
    "wipe": lambda: Damage("wipe", act=damage.wipe),
    "membership-churn": lambda: MembershipChurn("membership-churn"),
    "transfer": lambda: Transfer("transfer"),
    "snapshot-storm": lambda: SnapshotStorm("snapshot-storm", settings={"log-bytes-max": "16MiB"}),
    "descriptors": lambda: DescriptorExhaustion("descriptors"),
}

WIDE: Final = {"partition-ring": 5, "partition-bridge": 3}
"""How many nodes a fault needs to be one."""
