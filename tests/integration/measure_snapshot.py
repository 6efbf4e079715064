"""Measure the transfer of a snapshot between real nodes on this machine:

    python tests/integration/measure_snapshot.py [--documents 1000000] [--under-load] [--data DIR]

Three nodes; one is killed, documents of 400 bytes are loaded past the log's budget, the node starts again. Printed is
what the receiver logs when the state is installed, bytes being keys and values. With --under-load 64 clients write
through `raftdoc bench`, first while all three nodes are there, then during the transfer.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import re
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from processes import Cluster, NodeProcess, wait_until  # noqa: E402

DOCS = "/v1/dbs/shop/collections/orders/docs"
SMALL_LOG = ["--log-bytes-max", "64MiB"]
BULK_DOCUMENTS = 20_000
WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "isle", "juniper", "kelp", "larch")


def document(number: int) -> str:
    """Return one of 400 bytes that compresses about as text does."""
    text, state = "", number * 2654435761 % (1 << 32)
    while len(text) < 340:
        state = (state * 1103515245 + 12345) % (1 << 31)
        text += WORDS[state >> 16 & 7 | state >> 20 & 8 and 3] + format(state & 4095, "x") + " "
    return f'{{"_id":"order-{number:08d}","number":{number:8d},"text":"{text[:340]}"}}'


async def load(cluster: Cluster, node: NodeProcess, count: int) -> None:
    for start in range(0, count, BULK_DOCUMENTS):
        body = "\n".join(map(document, range(start, min(start + BULK_DOCUMENTS, count)))).encode()
        headers = {"Content-Type": "application/x-ndjson"}
        async with cluster.session.post(node.url + DOCS, data=io.BytesIO(body), headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def cpu_s(node: NodeProcess) -> float:
    """Return the processor time that a node has used so far."""
    assert node.process is not None
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def bench(node: NodeProcess) -> str:
    """Return what `raftdoc bench` says of 64 writing clients."""
    command = [sys.executable, "-m", "raftdoc", "bench", "--url", node.url, "--connections", "64", "--seconds", "15"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()


async def measure(documents: int, directory: Path | None, *, under_load: bool) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        async with Cluster.plan(Path(place), extra=SMALL_LOG) as cluster:
            await cluster.create_database("shop")
            leader = await cluster.leader("shop")
            victim = next(node for node in cluster.nodes if node is not leader)
            if under_load:
                say("without a transfer:\n" + await bench(leader))
            victim.kill()
            began = time.monotonic()
            await load(cluster, leader, documents)
            say(f"loaded {documents} documents in {time.monotonic() - began:.1f} s")
            await asyncio.to_thread(time.sleep, 5)
            before = cpu_s(leader)
            victim.start()
            if under_load:
                say("with a transfer:\n" + await bench(leader))

            async def has_said(what: str) -> list[str]:
                assert victim.process is not None
                if victim.process.poll() is not None:
                    raise RuntimeError(victim.log_path.read_text()[-3000:])
                return re.findall(rf'"snapshot {what}" group=[1-9].*', victim.log_path.read_text())

            await wait_until("the snapshot comes", lambda: has_said("comes"), 100.0)
            before_receiver = cpu_s(victim)
            say((await wait_until("the state is installed", lambda: has_said("installed"), 100.0))[-1])
            busy = os.getloadavg()[0]
            used = f"cpu seconds: sender {cpu_s(leader) - before:.2f}, receiver {cpu_s(victim) - before_receiver:.2f}"
            say(f"{used}; load average of the machine {busy:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--under-load", action="store_true")
    parser.add_argument("--data", type=Path, help="directory on the file system to measure (that of temporary files)")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.documents, arguments.data, under_load=arguments.under_load))
