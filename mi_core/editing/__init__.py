"""Weights changed: recipes, ROME, orthogonalisation, and the overlay that leaves others' weights alone."""
