"""The cluster seen as one database: route, write, read, on any node.

`Database` is the face to `api`. Under it: `Router` (the only retry loop of the server), `Reads` (barriers and
levels of consistency), `Writes` and `Bulk` (one command each, or chunks of them), `Catalog` (databases),
`Steward` (what has to be put right without anybody asking) and `Status`.

Every call has one deadline over all its hops, and every error says truly whether a write took effect.
"""
