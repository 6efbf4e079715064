"""The nodes level: whole nodes, as the server builds them, on an event loop whose time is virtual.

    event_loop   asyncio without sockets, threads and waiting: one seed decides what runs next, and when
    clock        the clocks of a machine
    disk         log files and engine of a machine; the log's writer; what a power cut leaves
    network      the links between nodes, under MemoryHub
    machines     state machines that tell the world what they applied
    process      one life of one node
    gateway      how clients reach a process, and lose it
    clients      coroutines that use the Database of any node, and write history
    plan         what a seed draws
    nemesis      what breaks
    members      a node that joins and leaves
    world        all of it: faults, then calm
    judge        what clients saw, and what is left at the end
    run          one seed

Everything above the seams is the product: node, cluster, database, with its tasks, timers and locks. HTTP, sockets,
RocksDB and threads are not here.
"""
