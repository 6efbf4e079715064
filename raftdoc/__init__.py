"""raftdoc: a JSON document database whose every write goes through Raft.

Importing this package loads nothing else: public names are resolved when they are
first used, so that a pure floor (`raftdoc.raft`, `raftdoc.document`) can be imported
without asyncio, aiohttp or rocksdict.
"""

__version__ = "0.1.0"
