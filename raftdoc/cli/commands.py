"""What every subcommand needs: a parser that teaches, one way to complain, and plain tables."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from raftdoc.client.errors import InvalidUse
from raftdoc.client.nodes import parse_node

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

EXIT_BAD_NEWS = 1
EXIT_USAGE = 2
DEFAULT_URL = "http://127.0.0.1:8101"


def add_command(
    commands: Subparsers, name: str, run: Callable[[argparse.Namespace], int], *, summary: str, description: str
) -> argparse.ArgumentParser:
    """Add a subcommand whose `run` is called with its arguments."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n\n{description}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, command_parser=parser)
    return parser


def add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        action="append",
        metavar="URL",
        type=_url,
        help=f"a node of the cluster; may be repeated: the next is asked where one does not answer ({DEFAULT_URL})",
    )


def _url(text: str) -> str:
    try:
        parse_node(text)
    except InvalidUse as error:
        raise argparse.ArgumentTypeError(error.detail) from None
    return text


def urls_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    return tuple(url.rstrip("/") for url in arguments.url or [DEFAULT_URL])


def complain(*lines: str) -> None:
    print(*(f"raftdoc: {line}" for line in lines), sep="\n", file=sys.stderr, flush=True)


def unavailable(error: Exception) -> int:
    """Say that the cluster was not reached, and return the exit code for that."""
    complain(str(error), "is the cluster running? `raftdoc dev` starts one on this machine; --url names another")
    return os.EX_UNAVAILABLE


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return the rows under their head, in columns as wide as they need."""
    lines = [tuple(head), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of numbers in a range, for argparse."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")

    return parse
