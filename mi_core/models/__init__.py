"""Which models there are, and how one is opened; the only place that boots a model."""
