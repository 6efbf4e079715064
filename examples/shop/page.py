"""A web page over the shop: browse, order, and watch the stock."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler
from model import VISITOR, Line, Shop

from raftdoc.client.errors import RaftdocError

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>raftdoc shop</title>
<style>
 body { font: 16px/1.4 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 60rem }
 body { color: #223; background: #f6f5f1 }
 header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline }
 h1 { font-size: 1.6rem; margin: 0 1rem 0 0 } #figures { color: #556; margin-left: auto }
 .node { display: inline-block; border-radius: 1rem; padding: .05rem .7rem; margin-right: .3rem; background: #d6ecd9 }
 .node.dead { background: #f3d0cb; text-decoration: line-through }
 #said { min-height: 1.5em; margin: .7rem 0; color: #06543c } #said.bad { color: #a3261b }
 table { border-collapse: collapse; width: 100%; background: white; border: 1px solid #ddd }
 th, td { text-align: left; padding: .25rem .8rem; border-bottom: 1px solid #eee } th { color: #556; font-weight: 600 }
 .number { text-align: right; font-variant-numeric: tabular-nums } tr.out td { color: #999 } td.level { width: 30% }
 .level div { background: #3d7ea6; height: .55rem; border-radius: .3rem; transition: width .5s }
 .level .low { background: #d08a2e }
 button { font: inherit; padding: .1rem .8rem; border: 1px solid #bbb; border-radius: .3rem; background: #fff }
 button { cursor: pointer }
 button:hover:enabled { background: #eef4f8 } button:disabled { color: #999; cursor: default }
</style>
<header><h1>Ink and paper</h1><span id="nodes"></span><span id="figures"></span></header>
<p id="said" role="status"></p>
<table><thead><tr><th>Goods<th>Merchant<th class="number">Price<th class="number">Stock<th><th></tr></thead>
<tbody id="goods"></tbody></table>
<script>
 const goods = document.getElementById("goods"), said = document.getElementById("said");
 function say(text, kind = "") { said.textContent = text; said.className = kind; }
 async function ask(path, options) {
   const answer = await fetch(path, options), body = await answer.json();
   if (!answer.ok) throw new Error(body.detail);
   return body;
 }
 async function order(product, button) {
   button.disabled = true;
   const sent = {method: "POST", body: JSON.stringify({product: product._id})};
   try {
     const body = await ask("/order", sent);
     say(`${product.name}: your order ${body.order} is ${body.state}`, body.state == "confirmed" ? "" : "bad");
     await show();
   } catch (error) { button.disabled = false; say(`Not now: ${error.message}`, "bad"); }
 }
 function cell(content, kind) {
   const made = document.createElement("td"); made.className = kind; made.append(content); return made;
 }
 function row(product) {
   const line = document.createElement("tr"), level = document.createElement("div");
   const button = document.createElement("button"), offered = product.stock + (product.sold || 0);
   const share = product.stock / (offered || 1);
   line.className = product.stock ? "" : "out";
   level.style.width = `${100 * share}%`; level.className = share < 0.25 ? "low" : "";
   button.textContent = product.stock ? "Order one" : "Sold out"; button.disabled = !product.stock;
   button.onclick = () => order(product, button);
   line.append(cell(product.name, ""), cell(product.merchant, ""),
               cell((product.price_cents / 100).toFixed(2), "number"), cell(product.stock, "number"),
               cell(level, "level"), cell(button, ""));
   return line;
 }
 function node(member) {
   const pill = document.createElement("span");
   pill.className = member.alive ? "node" : "node dead";
   pill.textContent = member.leads ? `${member.id} leads` : member.id;
   pill.title = member.alive ? "alive" : "does not answer";
   return pill;
 }
 async function show() {
   const state = await ask("/state");
   goods.replaceChildren(...state.products.map(row));
   document.getElementById("nodes").replaceChildren(...state.members.map(node));
   const sold = state.products.reduce((sum, product) => sum + (product.sold || 0), 0);
   document.getElementById("figures").textContent = `${state.orders} orders, ${sold} goods sold`;
 }
 async function watch() {
   try { await show(); if (said.dataset.lost) { delete said.dataset.lost; say(""); } }
   catch (error) { said.dataset.lost = "1"; say(`What you see is old: ${error.message}`, "bad"); }
   setTimeout(watch, 1000);
 }
 watch();
</script></html>
"""


@web.middleware
async def with_reasons(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what the database refuses, or does not answer, as something that the page can say."""
    try:
        return await handler(request)
    except RaftdocError as error:
        return web.json_response({"detail": error.detail}, status=503)


def make_app(shop: Shop) -> web.Application:
    """Return the page's server: `/`, `/state`, `/order`."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def state(request: web.Request) -> web.Response:
        products, members, orders = await asyncio.gather(shop.browse(), shop.nodes(), shop.order_count())
        return web.json_response({"products": products, "members": members, "orders": orders})

    async def order(request: web.Request) -> web.Response:
        product = (await request.json()).get("product")
        if not isinstance(product, str) or not await shop.products.exists(product):
            return web.json_response({"detail": "there is no such product"}, status=400)
        name = f"{VISITOR}-{uuid4().hex[:8]}"
        return web.json_response({"order": name, "state": await shop.place(name, VISITOR, [Line(product, 1)])})

    app = web.Application(middlewares=[with_reasons])
    app.add_routes([web.get("/", page), web.get("/state", state), web.post("/order", order)])
    return app
