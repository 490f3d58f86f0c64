"""Placebos: what chance does in place of an intervention, of the same size and at the same place."""
