"""Drawn pieces that pages share."""
