"""What clients do, and what the history of it has to satisfy."""
