"""One prompt's activations in another prompt's run: pairs, sites, runs, paths."""
