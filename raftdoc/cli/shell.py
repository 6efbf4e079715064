"""`raftdoc shell`: a prompt for a cluster, and a way to run single commands from scripts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raftdoc.cli.commands import EXIT_BAD_NEWS, Subparsers, add_command, add_url, complain, unavailable, urls_of
from raftdoc.cli.shell_words import BadLine, cut, is_open
from raftdoc.client.control import NodeUnreachable, first_answer

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from raftdoc.cli.shell_session import ShellSession
    from raftdoc.client.errors import RaftdocError

DESCRIPTION = """\
A prompt with history (~/.raftdoc_history) and completion of commands, databases and collections. `help` lists the
commands. Documents, filters and pipelines are JSON; a line goes on until its brackets are closed.

  raftdoc shell shop                                        start in the database shop
  raftdoc shell shop -c 'find orders {"qty": {"$gt": 2}}'   run a command and end
  echo 'count orders' | raftdoc shell shop                  run the lines of the standard input

Exit code 0: every command succeeded. 1: one did not; with -c and from a pipe, the first ends it.
"""
HISTORY: Final = ".raftdoc_history"


def add_parser(commands: Subparsers) -> None:
    parser = add_command(commands, "shell", run, summary="open a prompt for a cluster", description=DESCRIPTION)
    add_url(parser)
    parser.add_argument("database", nargs="?", help="the database to start in")
    parser.add_argument(
        "-c", "--command", dest="lines", action="append", metavar="LINE", help="run this and end; may be repeated"
    )


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.cli.shell_session import ShellSession
    from raftdoc.client.blocking import Client

    with Client(urls_of(arguments)) as client:
        session = ShellSession(client, arguments.database)
        if arguments.lines:
            return _run_all(session, arguments.lines)
        if not sys.stdin.isatty():
            return _run_all(session, sys.stdin)
        return _converse(session, urls_of(arguments))


def _run_all(session: ShellSession, lines: Iterable[str]) -> int:
    from raftdoc.cli.shell_session import ENDS

    pending = ""
    for line in lines:
        pending += line.rstrip("\n")
        if pending.strip() in ENDS:
            return 0
        if is_open(pending):
            pending += " "
        elif not _run(session, pending):
            return EXIT_BAD_NEWS
        else:
            pending = ""
    return 0 if not pending or _run(session, pending) else EXIT_BAD_NEWS


def _run(session: ShellSession, line: str) -> bool:
    """Run a line and print what it answers; return whether it succeeded."""
    from raftdoc.cli.shell_session import run_line
    from raftdoc.client.errors import RaftdocError, Unreachable

    try:
        if parts := cut(line):
            print(run_line(session, parts))
    except BadLine as error:
        complain(str(error))
        return False
    except Unreachable as error:
        unavailable(error)
        return False
    except RaftdocError as error:
        complain(f"{error.code}: {error.detail}", *_places(error))
        return False
    return True


def _places(error: RaftdocError) -> list[str]:
    """Return where in the request the faults are, and what each is where the error does not say so itself."""
    places = [place for place in (error.problem or {}).get("errors", ()) if "pointer" in place]
    return [
        f"  at {place['pointer']}" + (f": {place['detail']}" if place["detail"] != error.detail else "")
        for place in places
    ]


def _converse(session: ShellSession, urls: Sequence[str]) -> int:
    from raftdoc.cli.shell_session import ENDS

    try:
        cluster = first_answer(urls, "/v1/cluster").json()
    except NodeUnreachable as error:
        return unavailable(error)
    print(f"raftdoc shell, {len(cluster['members'])} nodes; `help` lists the commands, Tab completes, Ctrl-D ends")
    if session.database_name is not None and not _run(session, f"use {session.database_name}"):
        session.database_name = None
    prompt = _prompt(session)
    while True:
        try:
            line = prompt.prompt(f"{session.database_name or ''}> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if line.strip() in ENDS:
            return 0
        try:
            _run(session, line)
        except KeyboardInterrupt:
            complain("given up; a write may have been done all the same")


def _prompt(session: ShellSession) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.history import FileHistory

    from raftdoc.cli.shell_completion import ShellCompleter

    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(str(Path.home() / HISTORY)),
        auto_suggest=AutoSuggestFromHistory(),
        completer=ShellCompleter(session),
        complete_while_typing=False,
        multiline=Condition(lambda: is_open(prompt.default_buffer.text)),
    )
    return prompt
