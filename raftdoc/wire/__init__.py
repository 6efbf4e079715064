"""Bytes on the network: frames, and the messages in them. Sans-I/O: bytes in, values out.

    frames      length | kind | checksum | body, cut out of any stream of chunks
    messages    what nodes say to each other besides Raft, and the one table of message numbers
    codec       messages to the body of a frame and back, checked against the annotations of their classes

The caller's duties:

1. One FrameDecoder per direction of a connection. `feed` it whatever the network delivers.
2. A WireError means that nothing after it on the connection can be trusted: close it.
3. Keep the decoder's `body_bytes_max` small until the other side has proved who it is.

What this package does not do: connect, retry, authenticate, or decide what a message means. A frame that
comes out is exactly one that went in; whether it comes at all is the transport's contract.
"""
