"""The cores level: every node's consensus core, log, state machine and waiting calls, without an event loop.

    world = World(seed)          # draws sizes, speeds, faults
    world.run()                  # raises where an invariant does not hold
    judge(world)                 # what the clients saw

Effects are visible only when durable; the log is the production log over files in memory that lose what was not
settled. Not simulated here: tasks, sockets, routing between nodes, more than one group.
"""
