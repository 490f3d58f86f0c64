"""Directions in the residual stream: where they come from, what they say, and pushing along them."""
