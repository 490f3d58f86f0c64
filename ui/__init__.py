"""Shared Streamlit parts of every page: the frame, pickers, waiting, and how a result is shown."""
