"""What is read of logits: the answer, its rank, the whole distribution, and measures of change."""
