"""How the files of the built-in model are made."""
