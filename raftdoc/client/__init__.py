"""What talks to a cluster from outside, by HTTP as its users do; it imports nothing of the server.

`client` and `blocking` are the client library (`from raftdoc import AsyncClient, Client`), read from the top:
`collection` and `database` make calls, `retry` repeats them, `topology` and `nodes` say whom to ask, `lease`, `pool`
and `connection` send them. `load` is the generator behind `raftdoc bench`, and `control` the plain calls that it and
`raftdoc status` share.

Duties of the caller of a client:

1. Use it in one event loop and end it there: `async with`, or `aclose`.
2. Read `outcome` of an exception before doing a write again; after `unknown`, `request_outcome` tells.

Duties of the caller of `load.run_load`: run it in a process of its own (it uses a whole core), and name the file
system of the nodes' data beside every figure (`LoadReport` carries it where the nodes tell it).
"""
