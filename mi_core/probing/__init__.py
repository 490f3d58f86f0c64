"""Probes: labelled texts, what the model holds of them, fits, and the controls without which a fit says nothing."""
