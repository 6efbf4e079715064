"""Reads Prometheus' text format, strictly and by its own rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SampleKey = tuple[str, tuple[tuple[str, str], ...]]

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_ESCAPE = re.compile(r'\\(["\\n])')


@dataclass
class Exposition:
    samples: dict[SampleKey, float] = field(default_factory=dict)
    helps: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> Exposition:
    """Return what the text says; an AssertionError names the line that is not of the format."""
    result = Exposition()
    assert not text or text.endswith("\n")
    for line in text.split("\n")[:-1]:
        words = line.split(" ", 3)
        if words[:2] == ["#", "HELP"]:
            assert words[2] not in result.helps, line
            result.helps[words[2]] = _unescape(words[3])
        elif words[:2] == ["#", "TYPE"]:
            assert words[2] not in result.kinds, line
            result.kinds[words[2]] = words[3]
        else:
            _take_sample(result, line)
    return result


def _take_sample(result: Exposition, line: str) -> None:
    match = _SAMPLE.fullmatch(line)
    assert match is not None, line
    name, labels, value = match.groups()
    pairs = _LABEL.findall(labels or "")
    assert sum(len(key) + len(text) + 3 for key, text in pairs) + max(0, len(pairs) - 1) == len(labels or ""), line
    key = (name, tuple(sorted((label, _unescape(text)) for label, text in pairs)))
    assert key not in result.samples, line
    result.samples[key] = float(value)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], text)
