"""Tours: short walks through the pages, a file of steps each."""
