"""The Raft log of a node, shared by all its groups: segmented, checksummed, written once per turn.

What the caller owes:

1. One loop thread calls `append`, `durable` and the readers. One other thread at a time calls `write`, with the
   frames in the order of the appends; `release` may run in a third.
2. Nothing that rests on a frame leaves the node before `write` returned for it (P1-P3); then call `durable`.
3. A record says `compacted` only up to what the state has durably (P8). Release deletes nothing before that record
   is durable.
4. An OSError of `write` stops the node (P9). Nothing is retried here.

The loop:

    pending = log.append([log_record(group, hard_state=..., entries=...), ...])     # one turn, all groups
    log.write([pending, ...])                                                       # in the writer's thread
    log.durable(pending)                                                            # back on the loop

It does not: look inside entries, decide what is committed, or remember entries in memory (the cores do).
"""
