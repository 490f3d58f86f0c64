"""Attention heads by themselves: what they look for, what they move, and which of them hear each other."""
