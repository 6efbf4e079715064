"""The shop of the examples: its books agree after the leader was killed under load, and its page works in a browser."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raftdoc import AsyncClient
from raftdoc.testing import LocalCluster

pytestmark = pytest.mark.processes
RUN = Path(__file__).parents[2] / "examples" / "shop" / "run.py"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_no_order_is_lost_or_doubled_and_nothing_oversold() -> None:
    command = [sys.executable, str(RUN), "--seconds", "6", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "killed n" in done.stdout
    assert "the books agree" in done.stdout
    assert "50 carts that were left standing are forgotten" in done.stdout
    confirmed = re.search(r"^(\d+) orders confirmed", done.stdout, re.MULTILINE)
    assert confirmed is not None
    assert int(confirmed.group(1)) > 0


@contextmanager
def open_shop() -> Iterator[str]:
    """Run the shop for as long as it is looked at; yield the address of its page."""
    command = [sys.executable, str(RUN), "--seconds", "3", "--buyers", "2", "--port", "0", "--keep"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shop:
        try:
            assert shop.stdout is not None
            url = ""
            for line in shop.stdout:
                if line.startswith("the page: "):
                    url = line.removeprefix("the page: ").strip()
                if line.startswith("serving the page"):
                    break
            assert url, "the shop ended before it had a page"
            yield url
        finally:
            shop.terminate()


def browse(*flags: str, url: str) -> str:
    assert CHROMIUM is not None
    base = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [*base, "--virtual-time-budget=4000", *flags, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_the_page_shows_goods_stock_and_nodes_in_a_browser(tmp_path: Path) -> None:
    with open_shop() as url:
        page = browse("--dump-dom", url=url)
        shot = tmp_path / "page.png"
        browse(f"--screenshot={shot}", "--window-size=1000,900", url=url)
    assert page.count("Order one</button>") == 20
    assert "Amber ink<" in page
    assert "Ada's inks<" in page
    assert page.count('class="node"') == 3
    assert re.search(r">n[123] leads<", page)
    assert re.search(r">[1-9]\d* orders, [1-9]\d* goods sold<", page)
    assert shot.stat().st_size > 10_000


async def test_an_order_that_was_interrupted_is_of_what_was_ordered_then(
    raftdoc_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(RUN.parent))
    model = importlib.import_module("model")
    async with AsyncClient(raftdoc_cluster.urls) as client:
        shop = model.Shop(client)
        await shop.set_up()
        await shop.offer("p", merchant="m", name="P", price_cents=1, stock=5)
        await shop.orders.put("o", {"user": "u", "lines": {"p": 2}, "state": "open", "placed": model.now()})
        # The cart is gone: forgotten, or emptied by another tab.
        assert await shop.check_out("u", "o") == "confirmed"
        assert (await shop.products.get("p"))["stock"] == 3
        assert await shop.check_out("u", "another") == "empty"
        await client.drop_database(model.DATABASE)
