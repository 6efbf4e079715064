"""Whether a node that wants to join can be reached at the address it gives."""

from __future__ import annotations

import asyncio
from typing import Final

from raftdoc.errors import InvalidSettings
from raftdoc.transport.transport import parse_address

REACH_TIMEOUT_S: Final = 2.0


async def reaches(address: str) -> bool:
    """Return whether something takes connections at `host:port`. Who it is, the handshake of the peers will tell."""
    try:
        host, port = parse_address(address)
        async with asyncio.timeout(REACH_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (InvalidSettings, OSError, TimeoutError):
        return False
    writer.close()
    return True
