"""The node: one loop, many replicas, one fsync a turn. Acts; decides nothing that the cores do not.

What the host of a Node owes:

1. One event loop; every method is called on it. `start` with a Persister before the first turn.
2. `persisted` with tickets in the order of `submit`; `persist_failed` once, and nothing after it (P9).
3. `tick` every TICK_INTERVAL_MS: deadlines, elections, heartbeats and leases live on it.
4. `on_fatal` does not come back to serving: a replica in an unknown state must not go on.

    node = Node(...); node.start(LogWriter(...)); node.add_replica(replica, record)
    node.propose(replica, Proposal(command, waiter, deadline_ns)); outcome = await waiter
    await node.read_barrier(replica, deadline_ns)            # then read replica.machine at once, without awaiting

It does not route, retry, parse, or know what a database is.
"""
