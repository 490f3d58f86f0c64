"""What the model's answer owes to the words of the prompt: players, what takes their place, and ways to share out."""
