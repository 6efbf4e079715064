"""Start three nodes and the shop's page, buy under load, kill the leader in the middle, and check the books.

    python examples/shop/run.py                      20 seconds of load, then the audit
    python examples/shop/run.py --keep               and go on serving the page until Ctrl-C

Exit code 0: no order was lost or doubled, and nothing oversold.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from datetime import timedelta
from random import Random

from aiohttp import web
from buyers import CARTS, Tally, audit, buy, leave_carts, stock_up
from model import DATABASE, Shop
from page import make_app

from raftdoc import AsyncClient, CallOptions
from raftdoc.testing import LocalCluster


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the buyers buy (20)")
    parser.add_argument("--buyers", type=int, default=16, help="how many buy at once (16)")
    parser.add_argument("--port", type=int, default=8090, help="of the page; 0 is any (8090)")
    parser.add_argument("--seed", type=int, default=1, help="of what is bought")
    parser.add_argument("--keep", action="store_true", help="serve the page until Ctrl-C")
    return parser.parse_args()


async def serve(shop: Shop, port: int) -> web.AppRunner:
    runner = web.AppRunner(make_app(shop))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    host, bound = runner.addresses[0][:2]
    print(f"the page: http://{host}:{bound}/", flush=True)
    return runner


async def leader_of(client: AsyncClient) -> str:
    groups = (await client.cluster())["groups"]
    return str(next(group["leader"] for group in groups if group["database"] == DATABASE))


async def under_load(cluster: LocalCluster, client: AsyncClient, shop: Shop, arguments: argparse.Namespace) -> Tally:
    """Let the buyers buy; a third of the way kill the leader, two thirds of it start it again."""
    tally, random = Tally(), Random(arguments.seed)
    until_s = time.monotonic() + arguments.seconds
    async with asyncio.TaskGroup() as tasks:
        for number in range(arguments.buyers):
            tasks.create_task(buy(shop, f"u{number}", until_s, Random(random.getrandbits(32)), tally))
        await asyncio.sleep(arguments.seconds / 3)
        leader, before = await leader_of(client), len(tally.confirmed)
        cluster.kill(leader)
        print(f"killed {leader}, which led, after {before} orders", flush=True)
        await asyncio.sleep(arguments.seconds / 3)
        print(f"started {leader} again after {len(tally.confirmed)} orders", flush=True)
        await asyncio.to_thread(cluster.start, leader)
    return tally


async def run(cluster: LocalCluster, arguments: argparse.Namespace) -> int:
    async with AsyncClient(cluster.urls, call_options=CallOptions(timeout_s=15)) as client:
        shop = Shop(client)
        await shop.set_up()
        await stock_up(shop, arguments.buyers)
        # Short enough to see them go: half an hour is what they have otherwise.
        await leave_carts(Shop(client, cart_lifetime=timedelta(seconds=arguments.seconds / 2)))
        runner = await serve(shop, arguments.port)
        try:
            tally = await under_load(cluster, client, shop, arguments)
            faults = await audit(shop, tally)
            report(tally, faults, arguments.seconds)
            if arguments.keep:
                print("serving the page; Ctrl-C ends", flush=True)
                await asyncio.Event().wait()
        finally:
            await runner.cleanup()
    return 1 if faults else 0


def report(tally: Tally, faults: list[str], seconds: float) -> None:
    goods = sum(sum(bought.values()) for bought in tally.confirmed.values())
    print(f"{len(tally.confirmed)} orders confirmed ({len(tally.confirmed) / seconds:.0f}/s), {goods} goods sold")
    print(f"{tally.sold_out} orders refused because something was sold out")
    print(f"{tally.interrupted} orders interrupted and taken up again; the slowest took {tally.slowest_s:.1f} s")
    if not faults:
        print(f"{CARTS} carts that were left standing are forgotten")
        print("the books agree: no order lost, none doubled, nothing oversold", flush=True)
    for fault in faults:
        print(f"WRONG: {fault}", flush=True)


def main() -> int:
    arguments = parse_arguments()
    # However it is ended, the nodes end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with LocalCluster(nodes=3) as cluster:
        print("three nodes:", *cluster.urls, flush=True)
        try:
            return asyncio.run(run(cluster, arguments))
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
