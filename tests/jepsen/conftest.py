"""The harness is a directory beside the package; its modules are found from there."""

from __future__ import annotations

import sys
from pathlib import Path

HARNESS = Path(__file__).resolve().parents[2] / "jepsen-lite"
sys.path.insert(0, str(HARNESS))
