"""Bytes on disk: the Raft log shared by all groups (`log`), the engine of the state (`engine`, `rocksdb`,
`memory`), every key of it (`keyspace`), and the data directory they live in (`data_directory`).

What the caller owes:

1. Open the data directory first and close it last: its lock is what keeps a second process out.
2. Write a persist task to the log before anything that rests on it leaves the node, and apply to the engine only
   what is durable in the log: the engine writes no log of its own.
3. Truncate the log only below what `Engine.flush` has made durable.
4. Call what blocks (`SharedLog.write`, `prepare`, `remove`, `Engine.flush`) in a thread, the rest on the loop.
5. Let an OSError from the log stop the node. Nothing here retries.

It does not: decide what to write, when to flush or truncate, or which group lives here.
"""
