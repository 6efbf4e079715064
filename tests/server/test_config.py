"""Settings: three layers, one table, and every fault told at once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from raftdoc.errors import InvalidSettings
from raftdoc.server.config import Layer, environment_layer, load_settings, parse_settings
from raftdoc.server.setting_values import Address
from raftdoc.server.settings import SETTINGS, Settings

NEEDED = {"node": "n1", "cluster_id": "shop", "data": "/var/lib/raftdoc"}
THREE = "n1=127.0.0.1:7101,n2=127.0.0.1:7102,n3=127.0.0.1:7103"


def settings_of(**values: Any) -> Settings:
    return parse_settings([Layer("the test", NEEDED | values)], host="machine")


def faults_of(**values: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as caught:
        settings_of(**values)
    return caught.value.faults


def test_table_and_value_have_the_same_members() -> None:
    assert [setting.name for setting in SETTINGS] == [field.name for field in fields(Settings)]


def test_defaults_are_what_the_rules_allow() -> None:
    settings = settings_of()
    assert settings.http == Address("127.0.0.1", 8101)
    assert settings.http_advertise == "http://127.0.0.1:8101"
    assert settings.peers == {"n1": "127.0.0.1:7101"}
    assert settings.peer_advertise == "127.0.0.1:7101"
    assert settings.host == "machine"
    assert settings.reads == "lease"


def test_every_default_is_valid_when_given() -> None:
    for setting in SETTINGS:
        if isinstance(setting.default, bool | int):
            assert setting.parse(setting.default) == setting.default, setting.name
            assert setting.parse(setting.default_shown) == setting.default, setting.name


def test_flag_beats_environment_and_environment_beats_file() -> None:
    layers = [
        Layer("the file", NEEDED | {"log_level": "error", "host": "file", "reads": "readindex"}),
        environment_layer({"RAFTDOC_LOG_LEVEL": "warning", "RAFTDOC_HOST": "environment", "HOME": "/"}),
        Layer("the command line", {"log_level": "debug"}),
    ]
    settings = parse_settings(layers)
    assert (settings.log_level, settings.host, settings.reads) == ("debug", "environment", "readindex")


def test_unknown_setting_names_the_nearest_known() -> None:
    assert faults_of(elektion_timeout_ms=1000) == (
        "the test has an unknown setting 'elektion_timeout_ms'; did you mean election_timeout_ms?",
    )


def test_unknown_variable_is_a_fault() -> None:
    with pytest.raises(InvalidSettings, match="unknown setting 'nodes'; did you mean node"):
        parse_settings([Layer("the test", NEEDED), environment_layer({"RAFTDOC_NODES": "3"})])


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse_settings([Layer("the test", {"node": "-", "http": "nowhere", "log_level": "loud", "insecure": "maybe"})])
    told = "\n".join(caught.value.faults)
    for name in ("node", "http", "log_level", "insecure", "cluster_id", "data"):
        assert f"{name}, given by the test, must be" in told or f"{name} is not set" in told, told


def test_secret_is_never_shown() -> None:
    assert faults_of(secret="hunter2") == ("secret, given by the test, must be a text of at least 8 bytes",)


@pytest.mark.parametrize("name", ["http", "peer"])
@pytest.mark.parametrize("address", ["0.0.0.0:9000", "[::]:9000", "10.0.0.1:9000", "db1.example:9000"])
def test_nothing_listens_beyond_loopback_unless_told_so(name: str, address: str) -> None:
    peers = {"peers": "n1=10.0.0.1:9000", "secret": "correct horse"}
    assert any("--insecure" in fault for fault in faults_of(**{name: address}, **peers))
    settings = settings_of(**{name: address}, **peers, insecure=True)
    assert str(getattr(settings, name)) == address


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "127.8.8.8:9000", "[::1]:9000", "localhost:9000"])
def test_loopback_needs_no_permission(address: str) -> None:
    assert str(settings_of(http=address).http) == address


@pytest.mark.parametrize("address", ["", "9000", ":9000", "h:", "h:0", "h:65536", "h:x", "::1:9000", 9000, None])
def test_address_that_is_none_is_refused(address: Any) -> None:
    assert "http, given by the test, must be host:port" in faults_of(http=address)[0]


@pytest.mark.parametrize(
    ("raw", "number"), [(67108864, 67108864), ("67108864", 67108864), ("64MiB", 67108864), ("1 GiB", 1 << 30)]
)
def test_bytes_are_a_number_or_a_number_with_a_unit(raw: Any, number: int) -> None:
    assert settings_of(log_segment_bytes=raw).log_segment_bytes == number


@pytest.mark.parametrize(
    ("raw", "number"), [(1500, 1500), ("1500", 1500), ("1500ms", 1500), ("2s", 2000), ("1m", 60000)]
)
def test_durations_are_a_number_or_a_number_with_a_unit(raw: Any, number: int) -> None:
    assert settings_of(election_timeout_ms=raw).election_timeout_ms == number


@pytest.mark.parametrize("raw", [True, 1.5, -1, "", "MiB", "12kb", "1e6", None])
def test_a_size_that_is_none_is_refused(raw: Any) -> None:
    assert "log_cache_bytes, given by the test, must be bytes" in faults_of(log_cache_bytes=raw)[0]


@pytest.mark.parametrize("peers", [THREE, THREE.split(","), dict(part.split("=") for part in THREE.split(","))])
def test_members_are_a_text_a_list_or_a_table(peers: Any) -> None:
    settings = settings_of(peers=peers, secret="correct horse")
    assert settings.peers == {"n1": "127.0.0.1:7101", "n2": "127.0.0.1:7102", "n3": "127.0.0.1:7103"}


def test_members_have_to_include_this_node_and_to_differ() -> None:
    assert any("peers must name this node too" in fault for fault in faults_of(node="n9", peers=THREE))
    assert any("one address for two nodes" in fault for fault in faults_of(peers="n1=h:1,n2=h:1"))
    assert any("'n1' is there twice" in fault for fault in faults_of(peers="n1=h:1,n1=h:2"))


def test_a_node_cannot_be_reached_at_a_wildcard() -> None:
    assert any("others can reach" in fault for fault in faults_of(peer_advertise="0.0.0.0:7101"))


def test_listening_to_peers_beyond_loopback_needs_a_secret() -> None:
    beyond = {"peer": "10.0.0.1:7101", "insecure": True}
    assert faults_of(**beyond) == (
        "secret_file is not set: peer 10.0.0.1:7101 can be reached from other machines, which must prove that they may",
    )
    assert settings_of(**beyond, secret="correct horse").secret == b"correct horse"
    assert settings_of(peers=THREE).secret == b""


def test_secret_is_given_once() -> None:
    assert "both set" in faults_of(secret="12345678", secret_file="/secret")[0]


def test_heartbeat_fits_the_election_timeout_three_times() -> None:
    assert "at most a third" in faults_of(heartbeat_interval_ms=400)[0]


def test_configuration_file_and_secret_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse\nbattery\n")
    (tmp_path / "node.toml").write_text(
        f'node = "n1"\ncluster_id = "shop"\ndata = "/d"\nsecret_file = "{tmp_path}/secret"\n'
        '[peers]\nn1 = "127.0.0.1:7101"\nn2 = "127.0.0.1:7102"\n'
    )
    settings = load_settings({"log_level": "debug"}, tmp_path / "node.toml")
    assert settings.secret == b"correct horse"
    assert list(settings.peers) == ["n1", "n2"]


@pytest.mark.parametrize("text", ['node = "n1', "\udcff"])
def test_broken_configuration_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "node.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidSettings, match=r"node\.toml cannot be read"):
        load_settings({}, file)


def test_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"secret_file .* must hold a usable secret"):
        load_settings(NEEDED | {"secret_file": str(tmp_path / "none")})


def test_a_node_founds_a_cluster_or_joins_one() -> None:
    assert settings_of(join="http://127.0.0.1:8101/").join == "http://127.0.0.1:8101"
    assert settings_of(join="http://127.0.0.1:8101", peers="n1=127.0.0.1:7101").join
    (fault,) = faults_of(join="http://127.0.0.1:8101", peers=THREE)
    assert fault.startswith("join and peers are both set")
    assert faults_of(join="127.0.0.1:8101")
