"""Loupe: the frame around every page. Start with `streamlit run app.py`, or `python3 loupe.py` on a fresh machine."""

import streamlit as st

from mi_core.jobs.engine import engine
from ui import belonging, frame, inputs


def _page(path: str, title: str, icon: str, says: str) -> st.Page:
    return st.Page(path, title=title, icon=f":material/{icon}:", help=says, default=path == "pages/start/start.py")


# By section: each page's script, name, icon, and what it answers.
PAGES = {
    "": [
        _page("pages/start/start.py", "Start", "search", "What comes next, how sure the model is, and where to look."),
    ],
    "What it says": [
        _page("pages/look/investigate.py", "Investigate", "manage_search", "All of it at once, and what of it holds."),
        _page(
            "pages/look/logit_lens.py", "Lenses", "layers", "What the model would say if it stopped after each layer."
        ),
        _page("pages/look/attribution.py", "Attribution", "balance", "Which layers, heads and MLPs push the answer."),
        _page("pages/look/input_attribution.py", "Words", "format_ink_highlighter", "Which words the answer rests on."),
        _page("pages/look/writing.py", "Writing", "edit_square", "What the model writes, and the inside of each step."),
    ],
    "What is inside": [
        _page("pages/look/attention.py", "Attention", "grid_on", "Which earlier tokens each head reads."),
        _page("pages/look/heads.py", "Heads", "hub", "What each attention head does, and which hear each other."),
        _page("pages/look/features.py", "Features", "category", "Which concepts the model holds while it reads."),
        _page(
            "pages/look/neurons.py", "Neurons", "scatter_plot", "Which neurons push the answer, and what fires them."
        ),
        _page(
            "pages/look/directions.py", "Directions", "explore", "What adding words gives; how alike directions are."
        ),
        _page("pages/look/max_activating.py", "Texts", "find_in_page", "Which texts of yours a part fires most for."),
        _page("pages/look/probing.py", "Probing", "troubleshoot", "What can be read off a layer, beside controls."),
    ],
    "Intervene": [
        _page("pages/intervene/ablation.py", "Ablation", "content_cut", "What breaks when a part is taken away."),
        _page(
            "pages/intervene/patching.py",
            "Patching",
            "swap_horiz",
            "Where the word that decides the answer is carried.",
        ),
        _page("pages/intervene/path_patching.py", "Path patching", "route", "Which head talks to which."),
        _page("pages/intervene/circuit.py", "Circuit", "account_tree", "Which few parts do this by themselves."),
        _page("pages/intervene/attribution_graph.py", "Graph", "graph_3", "What an answer is made of, and whence."),
        _page("pages/intervene/steering.py", "Steering", "tune", "What the model says when its thoughts are pushed."),
        _page(
            "pages/intervene/edits.py",
            "Edits",
            "edit_note",
            "What happens when a fact is rewritten or a direction removed.",
        ),
    ],
    "Understand": [
        _page("pages/understand/tours.py", "Tours", "tour", "Six short walks, each to one finding."),
        _page("pages/understand/bigram.py", "Bigram", "abc", "The smallest model, trained while you look."),
        _page("pages/understand/superposition.py", "Superposition", "compress", "More features than dimensions."),
        _page("pages/understand/ioi.py", "IOI", "group", "Which heads find who receives, and who steps in for them."),
        _page("pages/understand/training_timeline.py", "Timeline", "timeline", "What was learned, and when."),
        _page("pages/understand/glossary.py", "Glossary", "menu_book", "What every word means, in plain words."),
    ],
    "Share": [
        _page("pages/share/batch.py", "Batch", "table_rows", "What one analysis says of many prompts."),
        _page("pages/share/report.py", "Report", "lab_profile", "What you found, as one file, on paper, or as a talk."),
    ],
}

st.set_page_config(page_title="Loupe", page_icon="ui/icon.png", layout="wide")
page = st.navigation(PAGES, expanded=True)
try:
    frame.draw(page.url_path)
    engine().warm(inputs.current().model)
    page.run()
finally:  # a page may end early, or be left
    belonging.remember()
