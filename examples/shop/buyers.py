"""Buyers under load, and the audit of what they did."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from model import VISITOR, Line, Shop

from raftdoc.client.errors import RaftdocError

INKS = ("Amber", "Bone black", "Cobalt", "Indigo", "Iron gall", "Moss", "Oxblood", "Sepia", "Slate", "Violet")
PAPERS = ("Bristol", "Cartridge", "Cotton", "Japan", "Kraft", "Laid", "Linen", "Onionskin", "Tracing", "Vellum")
PRODUCTS = len(INKS) + len(PAPERS)
STOCK = 400
"""Of each product: less than is asked for in a long run, so that selling out is tested too."""
SLOW_S = 0.5
CARTS = 50
"""Left standing, to be forgotten."""
FORGET_S_MAX = 30.0


@dataclass
class Tally:
    """What the buyers believe to have happened."""

    confirmed: dict[str, dict[str, int]] = field(default_factory=dict)
    """Orders by id, with what was bought."""
    sold_out: int = 0
    interrupted: int = 0
    """Attempts that ended in an error and were repeated."""
    slowest_s: float = 0.0


async def stock_up(shop: Shop, users: int) -> None:
    """Fill the shelves and register the users."""
    await shop.open_stall("ada", "Ada's inks")
    await shop.open_stall("bob", "Bob's papers")
    for number in range(PRODUCTS):
        merchant, name = ("ada", f"{INKS[number // 2]} ink") if number % 2 else ("bob", f"{PAPERS[number // 2]} paper")
        await shop.offer(f"p{number}", merchant=merchant, name=name, price_cents=100 + 10 * number, stock=STOCK)
    for number in range(users):
        await shop.register(f"u{number}", f"u{number}@example.org")


async def buy(shop: Shop, user: str, until_s: float, random: Random, tally: Tally) -> None:
    """Order again and again until the time is over. An order that was interrupted is placed again under its id."""
    number = 0
    while time.monotonic() < until_s:
        number += 1
        order = f"{user}-{number}"
        chosen = random.sample(range(PRODUCTS), random.randint(1, 3))
        lines = [Line(f"p{product}", random.randint(1, 2)) for product in chosen]
        started_s = time.monotonic()
        state = await _insist(shop, order, user, lines, tally)
        tally.slowest_s = max(tally.slowest_s, time.monotonic() - started_s)
        if state == "confirmed":
            tally.confirmed[order] = {line.product: line.count for line in lines}
        else:
            tally.sold_out += 1


async def _insist(shop: Shop, order: str, user: str, lines: list[Line], tally: Tally) -> str:
    while True:
        try:
            return await shop.place(order, user, lines)
        except RaftdocError as error:
            # Whatever became of the last step: the same steps again, and each happens once.
            tally.interrupted += 1
            if not error.retryable and error.outcome != "unknown":
                raise
            await asyncio.sleep(SLOW_S)


async def leave_carts(shop: Shop) -> None:
    """Fill carts that nobody checks out."""
    for number in range(CARTS):
        await shop.put_in_cart(f"idler{number}", Line(f"p{number % PRODUCTS}", 1))


async def carts_left(shop: Shop) -> int:
    """Return how many carts are still there when they had time to be forgotten."""
    count = CARTS
    for _ in range(int(FORGET_S_MAX / SLOW_S)):
        count = await shop.carts.count_documents({})
        if not count:
            break
        await asyncio.sleep(SLOW_S)
    return count


async def audit(shop: Shop, tally: Tally) -> list[str]:
    """Return what is wrong in the books; nothing, if the database keeps its promises."""
    left = await carts_left(shop)
    faults = [f"{left} carts were never forgotten"] if left else []
    products = {product["_id"]: product async for product in shop.products.find()}
    orders = {order["_id"]: order async for order in shop.orders.find()}
    for product in products.values():
        faults += _product_faults(product, orders)
    confirmed = {id for id, order in orders.items() if order["state"] == "confirmed"}
    faults += [
        f"order {id} was confirmed to its buyer and is not in the books" for id in tally.confirmed.keys() - confirmed
    ]
    # Whoever ordered on the page did not tell the tally; his goods count all the same.
    ours = {id for id, order in orders.items() if order["user"] != VISITOR}
    faults += [
        f"order {id} is in the books and was never confirmed" for id in confirmed & ours - tally.confirmed.keys()
    ]
    faults += [f"order {id} is still open" for id in ours if orders[id]["state"] == "open"]
    faults += [
        f"order {id} has other goods than were bought"
        for id, bought in tally.confirmed.items()
        if id in orders and orders[id]["lines"] != bought
    ]
    return faults


def _product_faults(product: dict[str, Any], orders: dict[str, dict[str, Any]]) -> list[str]:
    id, stock, sold = product["_id"], product["stock"], product.get("sold", 0)
    ordered = sum(order["lines"].get(id, 0) for order in orders.values() if order["state"] == "confirmed")
    faults = [f"{id} is oversold: stock {stock}"] if stock < 0 else []
    if sold != ordered or stock + sold != STOCK:
        faults.append(f"{id}: {ordered} ordered, {sold} taken, {stock} of {STOCK} left")
    return faults
