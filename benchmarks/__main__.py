"""`python -m benchmarks [name …]`: each line against the code one would write for the same answer, as Markdown.

Both sides run in one process, in turns, and medians are compared: only the ratios mean anything on a busy machine.
Against another commit, with its name: `python -m benchmarks.page_run`, pages whose results are known; `…load`, fifty
visitors at once; `…same_tables`, whether every number is still the same.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform

NAMES = (
    "logit_lens",
    "attribution",
    "heads",
    "input_attribution",
    "interventions",
    "circuit_search",
    "path_patching",
    "attribution_graph",
    "sweep_cost",
    "steering",
    "probing",
    "max_activating",
    "analysis_pass",
    "cached_result",
    "taken_away",
    "many_users",
    "new_prompt",
    "many_prompts",
    "first_paint",
)


def main() -> None:
    """Measure what is named on the command line, or everything, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(NAMES)}; all by default")
    names = parser.parse_args().names or NAMES
    for name in names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name}: choose from {', '.join(NAMES)}")
    _prepare()

    import torch

    from benchmarks.timing import markdown

    rows = [row for name in names for row in importlib.import_module(f"benchmarks.{name}").measure()]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s) of {os.cpu_count()}, {platform.machine()}\n")
    print(markdown(rows))


def _prepare() -> None:
    """What torch and its companions read at import. One thread, unless OMP_NUM_THREADS says otherwise."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_OFFLINE"] = "1"


if __name__ == "__main__":
    main()
