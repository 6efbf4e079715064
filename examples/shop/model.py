"""The shop: users, merchants, products, carts and orders, as documents.

There are no transactions over several documents here, and none are needed. Two rules carry it:

- **Stock is taken by an update that guards itself**: `{"_id": product, "stock": {"$gte": n}}` with
  `{"$inc": {"stock": -n}}` is judged and done in one step of the log, so it never goes below zero, whoever else buys.
- **Every step of an order has a name**: its idempotency key is made of the order's id and the step. Whoever was
  interrupted, by a lost answer, a failover or a crash of his own, does the same steps again, and each happens once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from raftdoc import AsyncClient
from raftdoc.client.errors import DuplicateKey, PreconditionFailed

DATABASE = "shop"
CART_LIFETIME = timedelta(minutes=30)
VISITOR = "visitor"
"""Who orders on the page."""


@dataclass(frozen=True)
class Line:
    product: str
    count: int


class Shop:
    def __init__(self, client: AsyncClient, cart_lifetime: timedelta = CART_LIFETIME) -> None:
        self._client = client
        self._cart_lifetime = cart_lifetime
        database = client.database(DATABASE)
        self.users = database.collection("users")
        self.merchants = database.collection("merchants")
        self.products = database.collection("products")
        self.carts = database.collection("carts")
        self.orders = database.collection("orders")

    async def set_up(self) -> None:
        """Create the database and its indexes; what is there already stays."""
        await self._client.create_database(DATABASE)
        await self.users.create_index("email", unique=True)
        await self.products.create_index([("merchant", 1), ("name", 1)])
        await self.orders.create_index([("user", 1), ("placed", -1)])
        await self.carts.create_index("expires", expire_after_s=0)

    # People and goods -----------------------------------------------------------------------------

    async def register(self, user: str, email: str) -> bool:
        """Register a user; False: the address belongs to somebody else."""
        try:
            await self.users.insert_one({"_id": user, "email": email.lower(), "since": now()})
        except DuplicateKey:
            return False
        return True

    async def open_stall(self, merchant: str, name: str) -> None:
        await self.merchants.put(merchant, {"name": name})

    async def offer(self, product: str, *, merchant: str, name: str, price_cents: int, stock: int) -> None:
        document = {"merchant": merchant, "name": name, "price_cents": price_cents, "stock": stock}
        await self.products.put(product, document)

    async def browse(self, *, limit: int = 100) -> list[dict[str, Any]]:
        """Return products by merchant and name, each with its merchant's name."""
        names = {merchant["_id"]: merchant["name"] async for merchant in self.merchants.find()}
        products = await self.products.find().sort([("merchant", 1), ("name", 1)]).limit(limit).to_list()
        return [{**product, "merchant": names.get(product["merchant"], product["merchant"])} for product in products]

    async def order_count(self) -> int:
        return await self.orders.estimated_document_count()

    async def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that keep the shop, which of them live, and which one leads."""
        cluster = await self._client.cluster()
        leader = next((group["leader"] for group in cluster["groups"] if group["database"] == DATABASE), None)
        return [
            {"id": member["id"], "alive": member["alive"], "leads": member["alive"] and member["id"] == leader}
            for member in cluster["members"]
        ]

    # Carts ----------------------------------------------------------------------------------------

    async def put_in_cart(self, user: str, line: Line) -> None:
        """Add goods to a user's cart, which is forgotten some time after the last change."""
        change = {"$inc": {f"lines.{line.product}": line.count}, "$set": {"expires": now() + self._cart_lifetime}}
        await self.carts.update_one({"_id": user}, change, upsert=True)

    async def cart(self, user: str) -> list[Line]:
        cart = await self.carts.get(user)
        return [Line(product, count) for product, count in (cart or {}).get("lines", {}).items()]

    # Orders ---------------------------------------------------------------------------------------

    async def check_out(self, user: str, order: str) -> str:
        """Order what is in the cart, and empty it; return the state of the order, or `empty`."""
        lines = await self.cart(user)
        if not lines and not await self.orders.exists(order):
            return "empty"
        state = await self.place(order, user, lines)
        if state == "confirmed":
            await self.carts.delete(user)
        return state

    async def place(self, order: str, user: str, lines: Sequence[Line]) -> str:
        """Place an order, or go on with one that was interrupted. Returns `confirmed` or `sold out`."""
        bought = {line.product: line.count for line in lines}
        document = {"user": user, "lines": bought, "state": "open", "placed": now()}
        try:
            await self.orders.put(order, document, create_only=True)
        except PreconditionFailed:
            # It is there: somebody, perhaps this program in an earlier life, has begun it.
            begun = await self.orders.get(order) or document
            if begun["state"] != "open":
                return str(begun["state"])
            # What was ordered then counts: the cart may have been changed, or forgotten, in between.
            lines = [Line(product, count) for product, count in begun["lines"].items()]
        taken = []
        for line in lines:
            if not await self._take(order, line):
                for other in taken:
                    await self._give_back(order, other)
                return await self._finish(order, "sold out")
            taken.append(line)
        return await self._finish(order, "confirmed")

    async def _take(self, order: str, line: Line) -> bool:
        """Take goods out of stock, once for this order; False: there are not enough."""
        step = self.products.with_options(idempotency_key=f"{order}/take/{line.product}")
        guard = {"_id": line.product, "stock": {"$gte": line.count}}
        result = await step.update_one(guard, {"$inc": {"stock": -line.count, "sold": line.count}})
        return result.matched_count == 1

    async def _give_back(self, order: str, line: Line) -> None:
        step = self.products.with_options(idempotency_key=f"{order}/back/{line.product}")
        await step.update_one({"_id": line.product}, {"$inc": {"stock": line.count, "sold": -line.count}})

    async def _finish(self, order: str, state: str) -> str:
        step = self.orders.with_options(idempotency_key=f"{order}/{state}")
        await step.update_one({"_id": order}, {"$set": {"state": state}})
        return state


def now() -> datetime:
    return datetime.now(UTC)
