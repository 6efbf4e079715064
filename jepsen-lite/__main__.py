"""`python jepsen-lite ...`: see README.md."""

from __future__ import annotations

import sys

from jepsen_lite.commands import main

sys.exit(main())
