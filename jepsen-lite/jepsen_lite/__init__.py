"""Judges a running raftdoc from outside, as its users meet it: HTTP, signals and files.

    commands    the command line
    run         one run: cluster, clients, nemesis, healing, what is collected, verdicts
    cluster     the nodes as processes; links stand between them, and between clients and nodes
    clients     record, send, classify: invoke before the first byte, completion after the parsed answer
    clock       the time of a run, and what the machine withheld of it
    workloads   what clients do, and what its history has to satisfy
    faults      what is broken, by whom it is noticed, and how it heals
    judge       every checker over the files of a run directory; nothing of the run itself is needed
    views       HTML and SVG of a run directory

The rules that everything here keeps:

1. The recorder's order is the truth. Nothing is recorded later than it is known, nothing sent before it is recorded.
2. `fail` is certain: nothing was sent, or the node says so and the lookup of the idempotency key is held against it.
3. A fault counts only when somebody else noticed it: a node's counters, its log, its exit code, or the proxy's bytes.
4. What cannot be told is `unknown`, and unknown is a failure.
"""
