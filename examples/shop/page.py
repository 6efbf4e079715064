"""A web page over the shop: browse, order, and watch the stock."""

from __future__ import annotations

from uuid import uuid4

from aiohttp import web
from model import Line, Shop

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>raftdoc shop</title>
<style>
 body { font: 16px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #222 }
 h1 { font-size: 1.5rem } table { border-collapse: collapse; width: 100% }
 th, td { text-align: left; padding: .3rem .8rem; border-bottom: 1px solid #ddd }
 th.number, td.number { text-align: right; font-variant-numeric: tabular-nums } tr.out { color: #999 }
 button { font: inherit; padding: .1rem .8rem } #said { min-height: 1.5em; color: #06543c }
 .bar { background: #bcd; height: .6rem }
</style>
<h1>The shop</h1>
<p>Three nodes of raftdoc keep the stock: <span id="nodes"></span></p>
<p id="said" role="status"></p>
<table><thead><tr><th>Goods<th>Merchant<th class="number">Price<th class="number">Stock<th><th></tr></thead>
<tbody id="goods"></tbody></table>
<script>
 const goods = document.getElementById("goods"), said = document.getElementById("said");
 async function order(product) {
   const answer = await fetch("/order", {method: "POST", headers: {"Content-Type": "application/json"},
                                         body: JSON.stringify({product})});
   const body = await answer.json();
   said.textContent = answer.ok ? `Order ${body.order}: ${body.state}` : `Not now: ${body.detail}`;
   await show();
 }
 function row(product) {
   const line = document.createElement("tr");
   line.className = product.stock ? "" : "out";
   for (const [text, kind] of [[product.name, ""], [product.merchant, ""],
                               [(product.price_cents / 100).toFixed(2), "number"], [product.stock, "number"]]) {
     const cell = document.createElement("td"); cell.textContent = text; cell.className = kind; line.append(cell);
   }
   const bar = document.createElement("td"), filled = document.createElement("div");
   filled.className = "bar"; filled.style.width = `${Math.min(100, product.stock / 4)}px`; bar.append(filled);
   const act = document.createElement("td"), button = document.createElement("button");
   button.textContent = "Order one"; button.disabled = !product.stock; button.onclick = () => order(product._id);
   act.append(button); line.append(bar, act);
   return line;
 }
 async function show() {
   const state = await (await fetch("/state")).json();
   goods.replaceChildren(...state.products.map(row));
   document.getElementById("nodes").textContent =
     state.members.map(member => `${member.id} ${member.alive ? "\\u2713" : "\\u2717"}`).join("  ");
 }
 show(); setInterval(show, 1000);
</script></html>
"""
VISITOR = "visitor"


def make_app(shop: Shop) -> web.Application:
    """Return the page's server: `/`, `/state`, `/order`."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def state(request: web.Request) -> web.Response:
        return web.json_response({"products": await shop.browse(), "members": await shop.nodes()})

    async def order(request: web.Request) -> web.Response:
        product = (await request.json()).get("product")
        if not isinstance(product, str):
            return web.json_response({"detail": "name a product"}, status=400)
        name = f"{VISITOR}-{uuid4().hex[:8]}"
        return web.json_response({"order": name, "state": await shop.place(name, VISITOR, [Line(product, 1)])})

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/state", state), web.post("/order", order)])
    return app
