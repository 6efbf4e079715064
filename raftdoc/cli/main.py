"""Parse the command line and run the subcommand it names."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import raftdoc
from raftdoc.cli import (
    bench,
    cluster,
    dev,
    export_documents,
    import_documents,
    inspect,
    serve,
    shell,
    simulate,
    status,
)

COMMANDS = (
    dev,
    serve,
    status,
    cluster,
    shell,
    import_documents,
    export_documents,
    bench,
    inspect,
    simulate,
)
DESCRIPTION = """\
raftdoc: a JSON document database whose every write goes through Raft.

  raftdoc dev                    three nodes on this machine, ready for curl
  raftdoc status                 who leads what, and how far everybody is
  raftdoc cluster                nodes that come and go
  raftdoc bench --workload put   what the cluster bears
"""
INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="raftdoc",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"raftdoc {raftdoc.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for module in COMMANDS:
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `raftdoc` with these arguments (default: those of the process) and return the exit code."""
    parser = build_parser()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse(unknown[0], getattr(arguments, "command_parser", parser))
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (a pager, head) has seen enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _refuse(argument: str, parser: argparse.ArgumentParser) -> NoReturn:
    near = difflib.get_close_matches(argument, re.findall(r"--[\w-]+", parser.format_usage()), n=1)
    parser.error(f"unknown argument {argument}" + (f"; did you mean {near[0]}?" if near else ""))


if __name__ == "__main__":
    sys.exit(main())
