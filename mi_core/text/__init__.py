"""What a model writes, and text to measure it on."""
