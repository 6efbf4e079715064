"""The load connection knows when an answer is whole, however it arrives."""

from __future__ import annotations

import asyncio

import pytest

from raftdoc.client.http_protocol import LoadConnection, parse_answer

WITH_LENGTH = b'HTTP/1.1 201 Created\r\nETag: "1"\r\nContent-Length: 2\r\nServer: s\r\n\r\n{}'
LENGTH_LAST = b"HTTP/1.1 200 OK\r\nServer: s\r\ncontent-length: 11\r\n\r\nhello world"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n"
CHUNKED = b"HTTP/1.1 207 Multi-Status\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status"), [(WITH_LENGTH, 201), (LENGTH_LAST, 200), (NO_CONTENT, 204), (CHUNKED, 207)]
)
def test_answer_is_whole_at_its_last_byte_and_not_before(answer: bytes, status: int) -> None:
    assert parse_answer(answer) == status
    assert [parse_answer(answer[:length]) for length in range(len(answer))] == [None] * len(answer)


def test_what_is_no_answer_is_told() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_answer(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


class Recorder:
    """Serves one answer a byte at a time for each request, and records what the connection reports."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.statuses: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(1000):
            self.requests.append(request)
            for byte in self.answer:
                writer.write(bytes([byte]))
                await writer.drain()
        writer.close()

    def answered(self, status: int, latency_ns: int, now_ns: int) -> float:
        assert 0 < latency_ns < now_ns
        self.statuses.append(status)
        return 0.0


@pytest.mark.parametrize("answer", [WITH_LENGTH, NO_CONTENT, CHUNKED])
async def test_next_request_leaves_when_the_answer_is_whole(answer: bytes) -> None:
    recorder, loop = Recorder(answer), asyncio.get_running_loop()
    left, lost = [b"one", b"two", b"three"], loop.create_future()
    async with await asyncio.start_server(recorder.serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        await loop.create_connection(
            lambda: LoadConnection(lambda: left.pop(0) if left else None, recorder.answered, lost.set_result),
            host,
            port,
        )
        connection = await asyncio.wait_for(lost, 10)
    assert recorder.requests == [b"one", b"two", b"three"]
    assert recorder.statuses == [parse_answer(answer)] * 3
    assert not connection.is_waiting


async def test_garbage_ends_the_connection() -> None:
    recorder, loop = Recorder(b"garbage without status\r\n\r\n"), asyncio.get_running_loop()
    lost = loop.create_future()
    async with await asyncio.start_server(recorder.serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        await loop.create_connection(
            lambda: LoadConnection(lambda: b"one", recorder.answered, lost.set_result), host, port
        )
        connection = await asyncio.wait_for(lost, 10)
    assert connection.is_waiting
    assert recorder.statuses == []
