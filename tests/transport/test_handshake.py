"""The handshake lets in who knows the secret and is who was expected, and says plainly why not."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.ids import BootId, ClusterId, NodeId, StoreId
from raftdoc.transport.handshake import (
    DialledHandshake,
    DiallerHandshake,
    Local,
    Refused,
    encode_refusal,
)
from raftdoc.transport.transport import Lane, Peer, Refusal
from raftdoc.wire.codec import decode_handshake, encode_handshake
from raftdoc.wire.messages import Challenge, Hello, Proof, Welcome

SECRET = b"correct horse"
NONCE_A, NONCE_B = b"a" * 32, b"b" * 32


def local(node: str, *, cluster: str = "c1", secret: bytes = SECRET) -> Local:
    return Local(ClusterId(cluster), NodeId(node), StoreId(f"s{node}"), BootId(int(node[1:]) * 100), secret)


def dialler(me: Local, *, expected: str = "n2", lane: Lane = Lane.BULK) -> DiallerHandshake:
    return DiallerHandshake(me, NodeId(expected), lane, NONCE_A)


def run(ours: DiallerHandshake, theirs: DialledHandshake) -> None:
    """Carry the bodies to and fro until both are done."""
    challenge = theirs.receive(ours.hello())
    assert challenge is not None
    proof = ours.receive(challenge)
    assert proof is not None
    assert theirs.receive(proof) is None
    assert ours.receive(theirs.welcome()) is None


def refusal_of(ours: DiallerHandshake, theirs: DialledHandshake) -> Refusal:
    with pytest.raises(Refused) as caught:
        run(ours, theirs)
    assert caught.value.is_ours
    return caught.value.refusal


def test_both_sides_know_each_other_afterwards() -> None:
    ours, theirs = dialler(local("n1")), DialledHandshake(local("n2"), NONCE_B)
    run(ours, theirs)
    assert theirs.peer == Peer(NodeId("n1"), StoreId("sn1"), BootId(100))
    assert theirs.lane is Lane.BULK
    assert ours.peer == Peer(NodeId("n2"), StoreId("sn2"), BootId(200))


def test_the_dialled_learns_where_the_caller_is_dialled() -> None:
    moved = Local(ClusterId("c1"), NodeId("n1"), StoreId("sn1"), BootId(100), SECRET, "10.0.0.7:8000")
    theirs = DialledHandshake(local("n2"), NONCE_B)
    run(dialler(moved), theirs)
    assert theirs.peer == Peer(NodeId("n1"), StoreId("sn1"), BootId(100), "10.0.0.7:8000")


def test_the_secret_never_shows() -> None:
    assert "horse" not in repr(local("n1"))


@pytest.mark.parametrize(
    ("caller", "called", "expected", "code", "words"),
    [
        (local("n1", cluster="c9"), local("n2"), "n2", "wrong_cluster", "belongs to cluster c9, this one to c1"),
        (local("n1", secret=b"wrong"), local("n2"), "n2", "wrong_secret", "not have the same cluster secret"),
        (local("n1", secret=b""), local("n2"), "n2", "wrong_secret", "not have the same cluster secret"),
        (local("n2"), local("n2"), "n2", "own_id", "both ends say that they are node n2"),
        (local("n1"), local("n3"), "n2", "other_node", "this is node n3; the caller expected n2"),
    ],
)
def test_who_does_not_belong_is_refused_with_the_reason(
    caller: Local, called: Local, expected: str, code: str, words: str
) -> None:
    refusal = refusal_of(dialler(caller, expected=expected), DialledHandshake(called, NONCE_B))
    assert refusal.code == code
    assert words in refusal.detail


def challenge_body(**changes: object) -> bytes:
    challenge = Challenge(ClusterId("c1"), NodeId("n2"), StoreId("s"), BootId(5), 1, NONCE_B)
    return encode_handshake(challenge._replace(**changes))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (challenge_body(cluster="c9"), "wrong_cluster"),
        (challenge_body(node="n1"), "own_id"),
        (challenge_body(node="n3"), "other_node"),
        (challenge_body(version=2), "wire_version"),
        (challenge_body(nonce=b"short"), "malformed"),
        (encode_handshake(Welcome(b"m" * 32)), "malformed"),
        (encode_handshake(Proof(b"m" * 32)), "malformed"),
        (b"\xc1", "malformed"),
        (bytes(msgpack.packb(["raftdoc", 7, 9, 2, []])), "wire_version"),
    ],
)
def test_the_dialler_checks_who_answers(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        dialler(local("n1")).receive(body)
    assert (caught.value.refusal.code, caught.value.is_ours) == (code, True)


def hello_body(**changes: object) -> bytes:
    hello = Hello(ClusterId("c1"), NodeId("n1"), StoreId("s"), BootId(5), NodeId("n2"), "", Lane.BULK, NONCE_A)
    return encode_handshake(hello._replace(**changes))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (hello_body(lane=9), "malformed"),
        (hello_body(lane=-1), "malformed"),
        (hello_body(nonce=b""), "malformed"),
        (hello_body(address="nowhere"), "malformed"),
        (encode_handshake(Proof(b"m" * 32)), "malformed"),
        (encode_handshake(Welcome(b"m" * 32)), "malformed"),
        (bytes(msgpack.packb(["raftdoc", 2, 2, 1, ["a", "new", "form"]])), "wire_version"),
    ],
)
def test_the_dialled_checks_who_calls(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        DialledHandshake(local("n2"), NONCE_B).receive(body)
    assert (caught.value.refusal.code, caught.value.is_ours) == (code, True)


def test_a_dialled_node_without_the_secret_is_found_out() -> None:
    ours, theirs = dialler(local("n1")), DialledHandshake(local("n2"), NONCE_B)
    challenge = theirs.receive(ours.hello())
    assert challenge is not None
    ours.receive(challenge)
    with pytest.raises(Refused, match="wrong_secret"):
        ours.receive(encode_handshake(Welcome(b"\x00" * 32)))


def test_a_proof_sent_back_is_no_welcome() -> None:
    ours, theirs = dialler(local("n1")), DialledHandshake(local("n2"), NONCE_B)
    challenge = theirs.receive(ours.hello())
    assert challenge is not None
    proof = ours.receive(challenge)
    assert proof is not None
    message = decode_handshake(proof).message
    assert isinstance(message, Proof)
    with pytest.raises(Refused, match="wrong_secret"):
        ours.receive(encode_handshake(Welcome(message.mac)))


def test_a_recorded_handshake_is_of_no_use_against_another_nonce() -> None:
    ours, theirs = dialler(local("n1")), DialledHandshake(local("n2"), NONCE_B)
    challenge = theirs.receive(ours.hello())
    assert challenge is not None
    proof = ours.receive(challenge)
    assert proof is not None
    again = DialledHandshake(local("n2"), b"c" * 32)
    again.receive(ours.hello())
    with pytest.raises(Refused, match="wrong_secret"):
        again.receive(proof)


@given(st.sampled_from(["hello", "challenge"]), st.integers(0, 200), st.integers(1, 255))
def test_a_byte_changed_on_the_way_is_found_out(which: str, position: int, mask: int) -> None:
    def changed(body: bytes) -> bytes:
        at = position % len(body)
        return body[:at] + bytes([body[at] ^ mask]) + body[at + 1 :]

    def shake_hands() -> None:
        ours, theirs = dialler(local("n1")), DialledHandshake(local("n2"), NONCE_B)
        challenge = theirs.receive(changed(ours.hello()) if which == "hello" else ours.hello())
        assert challenge is not None
        proof = ours.receive(changed(challenge) if which == "challenge" else challenge)
        assert proof is not None
        theirs.receive(proof)

    with pytest.raises(Refused):
        shake_hands()


def test_every_step_is_taken_once() -> None:
    ours, theirs = dialler(local("n1")), DialledHandshake(local("n2"), NONCE_B)
    challenge = theirs.receive(ours.hello())
    assert challenge is not None
    with pytest.raises(Refused, match="Hello is not what comes next"):
        theirs.receive(ours.hello())
    proof = ours.receive(challenge)
    assert proof is not None
    with pytest.raises(Refused, match="Challenge is not what comes next"):
        ours.receive(challenge)
    theirs.receive(proof)
    with pytest.raises(Refused, match="Proof is not what comes next"):
        theirs.receive(proof)
    welcome = theirs.welcome()
    ours.receive(welcome)
    with pytest.raises(Refused, match="Welcome is not what comes next"):
        ours.receive(welcome)


@pytest.mark.parametrize("side", [dialler(local("n1")), DialledHandshake(local("n2"), NONCE_B)])
def test_a_refusal_of_the_other_side_is_told_as_theirs(side: DiallerHandshake | DialledHandshake) -> None:
    with pytest.raises(Refused) as caught:
        side.receive(encode_refusal(Refusal("not_admitted", "come back later")))
    assert caught.value.refusal == Refusal("not_admitted", "come back later")
    assert not caught.value.is_ours
