"""The words of the field in plain words: read from `entries`, found in any text, linked, searched."""
