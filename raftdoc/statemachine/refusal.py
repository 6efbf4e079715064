"""How a command says no from deep inside: the handler has changed nothing, and this is its answer."""

from __future__ import annotations

from raftdoc.statemachine.outcome import Outcome


class Undecided(Exception):
    """Raised while a command is applied that lost a race: nothing was changed, its proposer looks again.

    The outcome is not remembered under its key, because the request is not decided yet.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class Refused(Exception):
    """Raised while a command is applied, before it changed anything. Never leaves the machine."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome
