"""Models small enough to be trained while you look."""
