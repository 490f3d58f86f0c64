"""Sparse autoencoders: found, opened, read, and what is known of their features."""
