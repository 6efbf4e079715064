"""Where `raftdoc dev` puts a cluster: an identity made once, ports looked at before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from raftdoc.cli.dev_place import CannotStart, Place, open_place, taken_ports
from raftdoc.cli.main import build_parser
from raftdoc.cli.serve import _flags
from raftdoc.server.config import Layer, parse_settings


def place_of(data: Path, node_count: int = 3, http_port: int = 8101) -> Place:
    return open_place(data, node_count=node_count, http_port=http_port, peer_offset=1000)


def test_same_directory_is_the_same_cluster(tmp_path: Path) -> None:
    first, again = place_of(tmp_path / "d"), place_of(tmp_path / "d")
    other = place_of(tmp_path / "other")
    assert first == again
    assert first.cluster_id != other.cluster_id
    assert (tmp_path / "d/secret").read_text() != (tmp_path / "other/secret").read_text()
    assert (tmp_path / "d/secret").stat().st_mode & 0o777 == 0o600


def test_other_count_of_nodes_is_refused(tmp_path: Path) -> None:
    place_of(tmp_path)
    with pytest.raises(CannotStart, match="has 3 nodes, not 5: say --nodes 3"):
        place_of(tmp_path, node_count=5)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cluster_id": "c", "nodes": "three"}', "null"])
def test_directory_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "dev.json").write_text(content)
    with pytest.raises(CannotStart, match="cannot be used"):
        place_of(tmp_path)


def test_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("")
    with pytest.raises(CannotStart, match="cannot be used"):
        place_of(tmp_path / "d")


def test_taken_port_is_named_with_its_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        place = place_of(tmp_path, node_count=1, http_port=port)
        assert taken_ports(place)[0].startswith(
            f"port {port} of 127.0.0.1 (HTTP of n1) cannot be used: Address already"
        )


def test_command_of_each_node_is_a_valid_call_of_serve(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    for node in place.nodes:
        arguments = build_parser().parse_args(place.command(node)[3:])
        settings = parse_settings([Layer("the command line", _flags(arguments))])
        assert settings.node == node.name
        assert settings.http_advertise == node.url
        assert list(settings.peers) == ["n1", "n2", "n3"]
        assert settings.peer.port == node.peer_port == node.http_port - 1000
