"""Decks: findings that are known, as pins to start a report or a talk from; a file of slides each."""
