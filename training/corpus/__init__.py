"""The corpus that loupe-mini is trained on: word lists, templates and the rules that combine them, all of our own."""
