"""How many files and connections a node may have open: as many as the system lets it, and no fewer than it needs.

Checked before the loop is made: with too few, libuv ends the process without a word.
"""

from __future__ import annotations

import resource

from raftdoc.errors import InvalidSettings
from raftdoc.limits import DESCRIPTORS_MIN


def claim_descriptors() -> None:
    """Raise this process' limit of open descriptors as far as it may.

    Raises:
        InvalidSettings: that is too little for a node.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS_MIN:
        raise InvalidSettings(
            f"this process may have {hard} files and connections open, a node needs {DESCRIPTORS_MIN} and one for each"
            " client: raise `ulimit -Hn`, or LimitNOFILE of its service"
        )
