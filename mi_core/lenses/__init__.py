"""What the vocabulary reads in every layer's residual stream: by the model's own eyes, or by learned ones."""
