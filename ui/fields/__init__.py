"""Fields that a reader fills in, and what becomes of them."""
