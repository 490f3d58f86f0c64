"""Loupe's engine room: everything that computes, free of any user interface.

    >>> import mi_core
    >>> lens = mi_core.run("logit_lens", "loupe-mini", prompt="The capital of Texas is")  # doctest: +SKIP
    >>> lens.tables()["lens"]  # doctest: +SKIP

Importing this package costs milliseconds: torch is imported by the first computation.
"""

import os
import sys

__version__ = "0.2.0"

# Read once, when torch loads its thread pool: with the default, threads that wait spin on a core that
# another user's computation needs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

__version__ = "0.2.0"

from mi_core.errors import InputError
from mi_core.jobs.engine import run
from mi_core.jobs.request import Request

__all__ = ["InputError", "Request", "__version__", "run"]


def load_ipython_extension(shell) -> None:
    """Show results as finding, chart, tables and checks in this IPython shell."""
    from mi_core.sharing import notebook

    notebook.register(shell)


if "IPython" in sys.modules and (_shell := sys.modules["IPython"].get_ipython()) is not None:
    load_ipython_extension(_shell)
