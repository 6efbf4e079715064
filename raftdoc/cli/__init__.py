"""The `raftdoc` command: one module for each subcommand, each with `add_parser` and `run`.

`run(arguments)` returns the exit code. 0: done. 1: done, and the answer is bad news (a group without leader, a state
that differs). 2: the command was called wrongly. 65-78 as in sysexits.h: 65 damaged data, 69 no node answers, 70 a bug,
74 a disk failed, 78 wrong settings or identity. What was asked for goes to standard output, everything else to
standard error.

A module imports the server or the client only when its command runs, so that `--help` is quick.
"""
