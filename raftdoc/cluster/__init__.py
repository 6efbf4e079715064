"""Which groups this node hosts, and who may speak for a node id: acts on what the catalog has decided.

`Reconciler.run` after every change of the catalog makes the hosted groups agree with it; `Directory` reads it;
`ReplicaFactory` builds replicas; `Admission` keeps a wiped node from voting twice. Nothing here proposes: that
is the business of `database`.
"""
