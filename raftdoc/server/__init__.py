"""The composition root of the real world: settings in, a running node out."""
