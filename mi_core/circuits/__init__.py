"""Circuits: the few parts of a model that do a task by themselves, found by attribution and graded by exact runs."""
