"""The transcripts of tests/raft/scenarios: commands, and what the cores wanted done.

    # what this shows
    propose n1 a
    ----
    n1 persists ...

`pytest --update-scenarios` writes them anew; read the difference before you keep it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .stage import Stage

SCENARIOS = Path(__file__).parent / "scenarios"
FILES = sorted(SCENARIOS.glob("*.txt"))


def replay(text: str) -> str:
    """Return a transcript with the answers that its commands get now."""
    stage = Stage()
    blocks = []
    for block in text.strip().split("\n\n"):
        asked = block.split("\n----")[0]
        commands = [line for line in asked.splitlines() if line and not line.startswith("#")]
        answers = [stage.play(command) for command in commands]
        if commands:
            asked += "\n----\n" + "\n".join(answer for answer in answers if answer != "ok" or len(answers) == 1)
        blocks.append(asked.rstrip())
    return "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_scenario(file: Path, request: pytest.FixtureRequest) -> None:
    expected = file.read_text()
    actual = replay(expected)
    if request.config.getoption("--update-scenarios"):
        file.write_text(actual)
        return
    assert actual == expected


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 20
