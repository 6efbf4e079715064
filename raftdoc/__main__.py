"""`python -m raftdoc` is the `raftdoc` command."""

import sys

from raftdoc.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
