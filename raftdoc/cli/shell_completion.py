"""What the Tab key offers: a command first, then what stands in its usage at that place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prompt_toolkit.completion import Completer, Completion

from raftdoc.cli.shell_session import COMMANDS, ENDS, ShellSession
from raftdoc.client.errors import RaftdocError

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document


def wanted(line: str) -> str:
    """Return what belongs at the end of the line: COMMAND, or a word of the usage, such as COLLECTION."""
    words = line.split()
    position = len(words) if not line or line[-1].isspace() else len(words) - 1
    if position == 0:
        return "COMMAND"
    command = COMMANDS.get(words[0])
    usage = command.usage.split() if command is not None else []
    return usage[position].strip("[]") if position < len(usage) else ""


class ShellCompleter(Completer):
    def __init__(self, session: ShellSession) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield the words that go on as the one before the cursor does."""
        line = document.text_before_cursor
        start = "" if not line or line[-1].isspace() else line.split()[-1]
        for word, meaning in self._offers(line).items():
            if word.startswith(start):
                yield Completion(word, start_position=-len(start), display_meta=meaning)

    def _offers(self, line: str) -> dict[str, str]:
        kind = wanted(line)
        if kind == "COMMAND":
            ends = dict.fromkeys(ENDS, "end the shell") if not line.startswith("help ") else {}
            return {name: command.help for name, command in COMMANDS.items()} | ends
        # A cluster that does not answer offers nothing; the command itself will say why.
        with contextlib.suppress(RaftdocError):
            if kind == "NAME" and line.startswith("use "):
                return self._session.database_names()
            if kind == "COLLECTION":
                return self._session.collection_names()
        return {}
