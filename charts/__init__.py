"""Pictures: each file turns a tidy frame into one kind of chart. Nothing here computes, and nothing is shown."""
