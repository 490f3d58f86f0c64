"""What the parts of a model wrote towards an answer, exactly or to first order."""
