"""Report: what was pinned, with notes, as one file, on paper, or as a talk."""

import streamlit as st

from ui import pins
from ui.parts import pinned, report_file
from ui.prompt import header

header("Report", "What did you find, and how do you show it to others?")
if said := pins.remark():
    st.warning(said, icon=":material/keep_off:")
held = pins.current()
if not held:
    report_file.empty()
    st.stop()
head = report_file.head()
made = {pin.id: pinned.card(pin, number, len(held)) for number, pin in enumerate(held, 1)}
report_file.downloads(head, made)
