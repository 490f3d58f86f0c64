"""How long tests wait for what must come: only what never comes is given up, on however slow a machine."""

SECONDS = 300
