"""Loupe: the frame around every page. Start with `streamlit run app.py`, or `python3 loupe.py` on a fresh machine."""

import streamlit as st

from mi_core.jobs.engine import engine
from ui import belonging, frame, inputs

PAGES = {
    "Start": [
        st.Page("pages/start/start.py", title="Start", icon=":material/search:", default=True),
    ],
    "Look": [
        st.Page("pages/look/logit_lens.py", title="Lenses", icon=":material/layers:"),
        st.Page("pages/look/attention.py", title="Attention", icon=":material/grid_on:"),
        st.Page("pages/look/attribution.py", title="Attribution", icon=":material/balance:"),
        st.Page("pages/look/features.py", title="Features", icon=":material/category:"),
        st.Page("pages/look/neurons.py", title="Neurons", icon=":material/scatter_plot:"),
    ],
    "Intervene": [
        st.Page("pages/intervene/ablation.py", title="Ablation", icon=":material/content_cut:"),
        st.Page("pages/intervene/patching.py", title="Patching", icon=":material/swap_horiz:"),
        st.Page("pages/intervene/path_patching.py", title="Path patching", icon=":material/route:"),
        st.Page("pages/intervene/steering.py", title="Steering", icon=":material/tune:"),
        st.Page("pages/intervene/edits.py", title="Edits", icon=":material/edit_note:"),
    ],
}

st.set_page_config(page_title="Loupe", page_icon="ui/icon.png", layout="wide")
page = st.navigation(PAGES)
try:
    frame.draw(page.url_path)
    engine().warm(inputs.current().model)
    page.run()
finally:  # a page may end early, or be left
    belonging.remember()
