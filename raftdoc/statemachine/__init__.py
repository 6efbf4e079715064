"""What committed entries do: the same entries in, the same bytes out, on every replica. Pure over an Engine.

    machine = DatabaseMachine(engine, GroupKeys(group, incarnation))     # or CatalogMachine for group 0
    payload = batch([put("orders", "42", document), ...])                # encoded once, at the edge
    outcomes = machine.apply(entries)                                    # one engine batch
    document = machine.get("orders", id_key("42"))

The caller's duties:
1. Hand over every committed entry once and in order, whatever its kind, from applied_index + 1 on.
2. On EngineBusy call `apply` again later with the same entries, or more. Any other exception stops the node.
3. Fix everything that is chosen - ids, keys, placement, retention - before the proposal. Apply knows no clock
   but log time, no chance, and no setting.
4. Do the read barrier before a read; reads show the last applied state, never a part of a batch.
5. Never propose what `is_known` refuses: apply stops every replica at a command that it does not know.
6. Propose `sweep` now and then while `has_dropped_documents` and nothing else is written.
7. Propose `build_index` while there are `index_builds`, from where each stands to `next_stop`, and `expire` for
   what is `expired`. Both may be proposed twice, and by whoever leads.

It does not route, replicate, wait or log; it knows one group.
"""
