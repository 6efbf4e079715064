"""A real HttpServer over the fake backend, and a client whose exchanges are held against the OpenAPI description."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import orjson
import pytest
import pytest_asyncio
import uvloop

from raftdoc.api.server import HttpServer, HttpSettings
from raftdoc.telemetry.metrics import Registry

from .contract import Contract
from .fake_backend import FakeBackend
from .wire import Answer, Wire

JSON = "application/json"
SMALL = HttpSettings(
    document_bytes_max=64 * 1024,
    bulk_bytes_max=1 << 20,
    bulk_documents_max=1000,
    atomic_bytes_max=128 * 1024,
    linger_s_max=5,
)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Everything here runs on both loops: their transports differ in how connections end."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


class Fatalities(list[BaseException]):
    """What `on_fatal` was called with."""


@pytest.fixture
def fatalities() -> Fatalities:
    return Fatalities()


@pytest.fixture
def settings() -> HttpSettings:
    return SMALL


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest_asyncio.fixture
async def server(
    backend: FakeBackend, settings: HttpSettings, registry: Registry, fatalities: Fatalities
) -> AsyncIterator[HttpServer]:
    server = HttpServer(backend, settings, registry, fatalities.append)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close(drain_s=5)
    assert not server.dispatcher.waiting, "a request was left behind"


@pytest_asyncio.fixture
async def connect(server: HttpServer) -> AsyncIterator[Callable[[], Awaitable[Wire]]]:
    """Return what opens one more connection; all are closed at the end."""
    wires: list[Wire] = []

    async def open_wire() -> Wire:
        wires.append(await Wire.open(server.port))
        return wires[-1]

    yield open_wire
    for wire in wires:
        await wire.close()


@pytest_asyncio.fixture
async def wire(connect: Callable[[], Awaitable[Wire]]) -> Wire:
    return await connect()


class Api(Protocol):
    async def __call__(self, method: str, target: str, body: Any = None, /, **headers: str) -> Answer: ...


@pytest.fixture(scope="session")
def contract() -> Contract:
    from raftdoc.api.openapi import describe_api

    return Contract(orjson.loads(orjson.dumps(describe_api())))


@pytest_asyncio.fixture
async def api(connect: Callable[[], Awaitable[Wire]], contract: Contract) -> Api:
    """Return `await api("PUT", "/v1/dbs/shop", {...}, Header_Name="value")`, checked against the description.

    A body that is no bytes is sent as JSON, with its Content-Type. The connection is opened again when it has ended.
    """
    open_wires: list[Wire] = []

    async def call(method: str, target: str, body: Any = None, /, **headers: str) -> Answer:
        if body is not None and not isinstance(body, bytes):
            body = orjson.dumps(body)
            headers.setdefault("Content_Type", JSON)
        if not open_wires:
            open_wires.append(await connect())
        answer = await open_wires[0].call(method, target, body, **headers)
        if "Connection" in answer and answer["Connection"] == "close":
            open_wires.clear()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        contract.check(method, target, body, named, answer)
        return answer

    return call


@pytest_asyncio.fixture
async def shop(api: Api) -> Api:
    """The database `shop`, with an empty collection `orders`."""
    assert (await api("PUT", "/v1/dbs/shop", {})).status == 201
    assert (await api("PUT", "/v1/dbs/shop/collections/orders", {})).status == 201
    return api
