"""One change to a run, many changes, and how to make them fast; knows no answer and no analysis."""
