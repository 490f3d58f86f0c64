"""`python -m mi_core`: every analysis as a command; see `mi_core.commandline`."""

import sys

from mi_core.commandline import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
