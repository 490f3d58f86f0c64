"""An investigation: the analyses of a prompt one after the other, and what each lets one say."""
