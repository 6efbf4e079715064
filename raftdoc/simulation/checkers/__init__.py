"""Judges of histories: pure functions, the same for simulated and for real clusters.

operations = history.operations(events)
report = check_linearizability(operations, REGISTER)
if report.verdict is not Verdict.OK: ...                 # UNKNOWN is a failure, too

linearizability   any history, without help; bounded in memory and steps
witness           in one pass, with the raft index that every answer carries
resolution        what became of writes whose answer never came, from the committed log
sets, sessions    elements, counters; what one client may expect of its own past
sanity            enough happened for the other verdicts to mean something
"""
