"""Pages of a run directory: plain HTML and SVG, opened from disk, without scripts."""
