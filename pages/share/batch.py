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
analysis = address.choose(words.BATCHED, st.selectbox, "Analysis", width=320)
given = prompt_list.table()
if given is None:
    st.stop()
model = inputs.current().model
columns = prompt_list.columns(given, analysis)
prompt_list.preview(given, columns)
shared = for_all.fields(analysis, {column.setting for column in columns if column.setting})
shared |= {"edits": edits.current()} if edits.current() else {}
plan = OutputPlan(analysis, model)
requests = requests_of(plan, shared, lists.settings(given, columns, analysis))
tried = batch_run.trial(requests)
kept = KeptBatch.of(replace(plan, table=batch_run.table_field(tried)), requests, engine().fingerprint(model))
if not batch_run.controls(kept, tried):
    batch_run.failures(kept)
    if kept.done():
        batch_results.results(kept, Request.of(analysis, model, **shared))
