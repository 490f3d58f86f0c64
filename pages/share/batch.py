"""Batch: what one analysis says of many prompts."""

from dataclasses import replace

import streamlit as st

from mi_core.jobs.engine import engine
from mi_core.jobs.request import Request
from mi_core.sharing import prompt_list as lists
from mi_core.sharing.kept_batch import KeptBatch, requests_of
from mi_core.sharing.output import OutputPlan
from ui import address, inputs, words
from ui.fields import edits, for_all, prompt_list
from ui.parts import batch_results, batch_run
from ui.prompt import header

header("Batch", "What does one analysis say of many prompts?")
with st.container(horizontal=True, vertical_alignment="bottom"):
    analysis = address.choose(words.BATCHED, st.selectbox, "Analysis", width=260)
    place_of_table = st.empty()
    source = prompt_list.source()
given = prompt_list.table(source)
if given is None:
    st.stop()
model = inputs.current().model
columns = prompt_list.columns(given, analysis)
show_preview = prompt_list.preview(given, columns)
shared = for_all.fields(analysis, {column.setting for column in columns if column.setting})
shared |= {"edits": edits.current()} if edits.current() else {}
plan = OutputPlan(analysis, model)
requests = requests_of(plan, shared, lists.settings(given, columns, analysis))
tried = batch_run.trial(requests)
with place_of_table:
    plan = replace(plan, table=batch_run.table_field(tried))
kept = KeptBatch.of(plan, requests, engine().fingerprint(model))
is_running = batch_run.controls(kept, tried)
show_preview(is_running or kept.done() > 0)
if not is_running:
    batch_run.failures(kept)
    if kept.done():
        batch_results.results(kept, Request.of(analysis, model, **shared))
