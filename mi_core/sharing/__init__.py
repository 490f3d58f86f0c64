"""Results as files and batches."""
