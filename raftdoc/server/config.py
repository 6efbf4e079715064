"""Read the settings of one node: TOML file < RAFTDOC_* environment < flags, judged by the table of `settings`.

`parse_settings` is pure: layers in, Settings or every fault out. `load_settings` reads what is outside the process
(the files, the machine's name) and is called once, by the command line. No other module reads the environment.
"""

from __future__ import annotations

import difflib
import os
import socket
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from raftdoc.errors import InvalidSettings
from raftdoc.server import setting_values
from raftdoc.server.setting_values import Address
from raftdoc.server.settings import BY_NAME, DERIVED, REQUIRED, SETTINGS, Settings

ENVIRONMENT_PREFIX = "RAFTDOC_"
CONFIG_VARIABLE = "RAFTDOC_CONFIG"
HEARTBEATS_PER_ELECTION_TIMEOUT_MIN = 3


class Layer(NamedTuple):
    """Raw values by setting name, and how an operator calls their source. Later layers win."""

    source: str
    values: Mapping[str, Any]


def load_settings(flags: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Return the settings of this process: of the file (`config`, or RAFTDOC_CONFIG), the environment and the flags.

    Raises:
        InvalidSettings: every fault found, one sentence each.
    """
    if config is None and CONFIG_VARIABLE in os.environ:
        config = Path(os.environ[CONFIG_VARIABLE])
    file_layers = [_file_layer(config)] if config else []
    layers = [*file_layers, environment_layer(os.environ), Layer("the command line", flags)]
    return _with_secret_of_file(parse_settings(layers, host=_host_label()))


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """Return the layer of the variables that begin with RAFTDOC_."""
    values = {
        variable.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for variable, value in environment.items()
        if variable.startswith(ENVIRONMENT_PREFIX) and variable != CONFIG_VARIABLE
    }
    return Layer("the environment (RAFTDOC_*)", values)


def parse_settings(layers: Iterable[Layer], *, host: str = "localhost") -> Settings:
    """Return the settings that the layers amount to. `host` is the default of the setting of that name.

    Raises:
        InvalidSettings: every fault found, one sentence each.
    """
    faults: list[str] = []
    given = _merge(layers, faults)
    values = _parse(given, faults)
    _derive(values, host)
    faults.extend(_contradictions(values))
    if faults:
        raise InvalidSettings(*faults)
    return Settings(**values)


def _merge(layers: Iterable[Layer], faults: list[str]) -> dict[str, tuple[str, Any]]:
    """Return the source and raw value of each setting given; file an unknown name as a fault."""
    given: dict[str, tuple[str, Any]] = {}
    for source, values in layers:
        for name, raw in values.items():
            if name in BY_NAME:
                given[name] = (source, raw)
            else:
                near = difflib.get_close_matches(name, BY_NAME, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                faults.append(f"{source} has an unknown setting {name!r}{hint}")
    return given


def _parse(given: Mapping[str, tuple[str, Any]], faults: list[str]) -> dict[str, Any]:
    """Return the values by name. A setting that is missing or wrong is left out and filed as a fault."""
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.name in given:
            source, raw = given[setting.name]
            try:
                values[setting.name] = setting.parse(raw)
            except ValueError as error:
                shown = "" if setting.is_secret else f", not {raw!r}"
                faults.append(f"{setting.name}, given by {source}, must be {error}{shown}")
        elif setting.default is REQUIRED:
            faults.append(f"{setting.name} is not set: {setting.help} ({setting.flag} {setting.metavar})")
        elif setting.default is not DERIVED:
            values[setting.name] = setting.default
    return values


def _derive(values: dict[str, Any], host: str) -> None:
    """Fill in the defaults that follow from other settings, where those are known."""
    values.setdefault("host", host)
    if "http" in values:
        values.setdefault("http_advertise", f"http://{values['http']}")
    if {"node", "peer"} <= values.keys():
        values.setdefault("peers", {values["node"]: values.get("peer_advertise", str(values["peer"]))})
        values.setdefault("peer_advertise", values["peers"].get(values["node"], str(values["peer"])))


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong between settings that are each right."""
    return [
        fault
        for names, judge in _RULES
        if all(name in values for name in names) and (fault := judge(*(values[name] for name in names)))
    ]


def _loopback_or_insecure(name: str) -> Callable[[Address, bool], str]:
    def judge(address: Address, insecure: bool) -> str:
        if address.is_loopback or insecure:
            return ""
        return (
            f"{name} {address} can be reached from other machines, and there is no authentication yet:"
            " listen on 127.0.0.1, or say --insecure"
        )

    return judge


def _heartbeat_fits(heartbeat_ms: int, election_ms: int) -> str:
    if heartbeat_ms * HEARTBEATS_PER_ELECTION_TIMEOUT_MIN <= election_ms:
        return ""
    return f"heartbeat_interval_ms {heartbeat_ms} must be at most a third of election_timeout_ms {election_ms}"


def _is_among_peers(node: str, peers: Mapping[str, str]) -> str:
    return "" if node in peers else f"peers must name this node too: {node!r} is not in {', '.join(peers)}"


def _dials_others(node: str, dial: Mapping[str, str]) -> str:
    return f"dial names this node itself: {node!r}" if node in dial else ""


def _secret_beyond_loopback(peer: Address, secret: bytes, secret_file: Path | None) -> str:
    if peer.is_loopback or secret or secret_file:
        return ""
    return f"secret_file is not set: peer {peer} can be reached from other machines, which must prove that they may"


def _joins_or_founds(node: str, peers: Mapping[str, str], join: str) -> str:
    if not join or set(peers) <= {node}:
        return ""
    return "join and peers are both set: peers are for the first nodes of a cluster, join is for those that come later"


def _one_secret(secret: bytes, secret_file: Path | None) -> str:
    return "secret and secret_file are both set: leave out one" if secret and secret_file else ""


def _addresses_differ(peers: Mapping[str, str]) -> str:
    addresses = list(peers.values())
    twice = next((address for address in addresses if addresses.count(address) > 1), None)
    return f"peers has one address for two nodes: {twice}" if twice else ""


_RULES: tuple[tuple[tuple[str, ...], Callable[..., str]], ...] = (
    (("http", "insecure"), _loopback_or_insecure("http")),
    (("peer", "insecure"), _loopback_or_insecure("peer")),
    (("heartbeat_interval_ms", "election_timeout_ms"), _heartbeat_fits),
    (("node", "peers"), _is_among_peers),
    (("peers",), _addresses_differ),
    (("node", "peers", "join"), _joins_or_founds),
    (("node", "dial"), _dials_others),
    (("peer", "secret", "secret_file"), _secret_beyond_loopback),
    (("secret", "secret_file"), _one_secret),
)


def _file_layer(config: Path) -> Layer:
    try:
        values = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"the configuration file {config} cannot be read: {error}") from error
    return Layer(str(config), values)


def _with_secret_of_file(settings: Settings) -> Settings:
    if settings.secret_file is None:
        return settings
    try:
        first_line = settings.secret_file.read_text(encoding="utf-8").partition("\n")[0].strip()
        return replace(settings, secret=setting_values.secret(first_line))
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"secret_file {settings.secret_file} must hold a usable secret: {error}") from error


def _host_label() -> str:
    """Return the machine's name, or a name in its place where it is none that a label may be."""
    try:
        return setting_values.label(socket.gethostname())
    except ValueError:
        return "localhost"
