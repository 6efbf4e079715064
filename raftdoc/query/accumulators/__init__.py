"""Accumulators: what `$group` and its like keep of many values.

    state = make()                          # one for each group and field
    state.add(value)                        # MISSING is a value too
    state.result()

A group that is spread over several nodes is folded in two halves: each takes `partial()` of its state, and one
calls `merge` with all of them, in the order of the nodes. A partial is made of JSON values only.
"""
