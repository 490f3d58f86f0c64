"""Knocking parts out: components, what takes their place, and what they write themselves."""
