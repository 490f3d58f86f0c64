"""How much faster Loupe is than the code one would write for the same answer: `python -m benchmarks`."""
