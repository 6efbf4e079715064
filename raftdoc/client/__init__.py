"""What talks to a cluster from outside, and how much it bears.

Today: the load generator behind `raftdoc bench` (`load`), and the plain control calls that it and `raftdoc status`
share (`control`). It knows a cluster only as its users do: by HTTP. It imports nothing of the server.

Duties of the caller of `load.run_load`: run it in a process of its own (it uses a whole core), and name the file
system of the nodes' data beside every figure (`LoadReport` carries it where the nodes tell it).
"""
