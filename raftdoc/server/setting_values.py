"""What a setting's value may look like: each function takes a raw value (text, or TOML's) or raises ValueError.

The error's text completes the sentence "it must be ...".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from raftdoc.ids import NodeId

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
_BYTES = re.compile(r"(\d+) ?(B|KiB|MiB|GiB)?")
_BYTE_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATION = re.compile(r"(\d+) ?(ms|s|m|h)?")
_MS_UNITS = {None: 1, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
SECRET_BYTES_MIN = 8


class Address(NamedTuple):
    host: str
    """A name or an IP address, without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it. A name other than localhost may be anything: False."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_wildcard(self) -> bool:
        return self.host in {"", "0.0.0.0", "::"}


def label(raw: Any) -> str:
    if isinstance(raw, str) and _NAME.fullmatch(raw):
        return raw
    raise ValueError("a name of 1 to 120 letters, digits, '_', '.' and '-', not starting with '.' or '-'")


def node_id(raw: Any) -> NodeId:
    return NodeId(label(raw))


def path(raw: Any) -> Path:
    if isinstance(raw, str) and raw and "\0" not in raw:
        return Path(raw)
    raise ValueError("a path")


def secret(raw: Any) -> bytes:
    if isinstance(raw, str) and len(raw.encode()) >= SECRET_BYTES_MIN:
        return raw.encode()
    raise ValueError(f"a text of at least {SECRET_BYTES_MIN} bytes")


def switch(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(raw, str) and raw.lower() in known:
        return known[raw.lower()]
    raise ValueError("true or false")


def address(raw: Any) -> Address:
    """Parse `host:port` or `[v6]:port`."""
    if isinstance(raw, str):
        host, colon, port = raw.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            colon = ""
        if colon and host and re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 1 << 16:
            return Address(host, int(port))
    raise ValueError("host:port, with a port of 1 to 65535 (an IPv6 host in brackets)")


def reachable_address(raw: Any) -> str:
    parsed = address(raw)
    if parsed.is_wildcard:
        raise ValueError("an address that others can reach: not 0.0.0.0 or [::]")
    return str(parsed)


def url(raw: Any) -> str:
    if isinstance(raw, str):
        parts = urlsplit(raw)
        if parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment:
            return raw.rstrip("/")
    raise ValueError("a URL such as http://db1.example:8101")


def node_addresses(raw: Any) -> dict[NodeId, str]:
    """Parse `n1=host:port,n2=host:port`, a list of such texts, or a TOML table."""
    pairs: list[tuple[str, Any]]
    if isinstance(raw, dict):
        pairs = list(raw.items())
    else:
        texts = raw if isinstance(raw, list) else [raw]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("n1=host:port, with commas between several")
        parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
        pairs = [(name, value) for name, _, value in (part.partition("=") for part in parts)]
    addresses: dict[NodeId, str] = {}
    for name, value in pairs:
        if name in addresses:
            raise ValueError(f"a list that names each node once; {name!r} is there twice")
        try:
            addresses[node_id(name)] = reachable_address(value)
        except ValueError as error:
            raise ValueError(f"n1=host:port, with commas between several; of {name!r}: {error}") from error
    return addresses


def one_of(*choices: str) -> Callable[[Any], str]:
    def parse(raw: Any) -> str:
        if raw in choices:
            return str(raw)
        raise ValueError("one of " + ", ".join(choices))

    return parse


def count(least: int, most: int) -> Callable[[Any], int]:
    return _bounded(re.compile(r"(\d+)()"), {"": 1}, least, most, "a whole number")


def byte_count(least: int, most: int) -> Callable[[Any], int]:
    return _bounded(_BYTES, _BYTE_UNITS, least, most, "bytes (67108864 or 64MiB)", "_bytes")


def milliseconds(least: int, most: int) -> Callable[[Any], int]:
    return _bounded(_DURATION, _MS_UNITS, least, most, "milliseconds (1500, 1500ms, 30s, 5m or 24h)", "_ms")


def _bounded(
    pattern: re.Pattern[str], units: dict[Any, int], least: int, most: int, what: str, name: str = ""
) -> Callable[[Any], int]:
    def parse(raw: Any) -> int:
        found = (
            pattern.fullmatch(str(raw).strip()) if isinstance(raw, int | str) and not isinstance(raw, bool) else None
        )
        if found and least <= (number := int(found[1]) * units[found[2]]) <= most:
            return number
        raise ValueError(f"{what} from {shown(least, name)} to {shown(most, name)}")

    return parse


def shown(number: int, name: str) -> str:
    """Return the number in the largest unit that holds it whole: `_bytes` or `_ms` in the setting's name says which."""
    units = _BYTE_UNITS if "_bytes" in name else _MS_UNITS if name.endswith("_ms") else {}
    for unit, size in sorted(((u, s) for u, s in units.items() if u), key=lambda pair: -pair[1]):
        if number and number % size == 0 and unit != "B":
            return f"{number // size}{unit}"
    return str(number)
