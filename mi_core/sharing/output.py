"""Computes what one command asks for and puts it where it belongs."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_core.analyses._index import find_analysis, settings_of
from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.phrases import listed
from mi_core.sharing.caption import caption

if TYPE_CHECKING:
    from mi_core.jobs.job import Job
    from mi_core.jobs.loaded_models import ModelStatus
    from mi_core.result import Result

TABLES = ("table", "csv", "csv-excel", "csv-raw", "xlsx", "json", "parquet", "html")
IMAGES = ("png", "svg", "pdf")
BINARY = ("xlsx", "parquet", "png", "pdf")
SUFFIXES = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".html": "html", ".txt": "table"}
SUFFIXES |= {f".{name}": name for name in ("xlsx", *IMAGES)}


@dataclass(frozen=True)
class OutputPlan:
    """What to compute and what to make of it; `format`, `out` and `table` as the person gave them, or None."""

    analysis: str
    model: str
    format: str | None = None
    out: Path | None = None
    table: str | None = None
    anew: bool = False
    """A list of prompts starts from its first row, whatever `out` holds."""
    style: dict[str, str] = field(default_factory=dict)
    """Of a picture: the fields of `charts.export.Style` that the person gave."""
    caption: bool = True
    """Whether lines below a picture say what it shows."""

    def kind(self, default: str = "table") -> str:
        """The format: as given, or what the file's name ends with, or the default. Raises InputError."""
        suffix = SUFFIXES.get(self.out.suffix.lower()) if self.out else None
        kind = self.format or suffix or default
        if kind not in TABLES + IMAGES:
            raise InputError(f"There is no format {kind}: choose one of {', '.join(TABLES + IMAGES)}.", "format")
        if kind not in IMAGES and (self.style or not self.caption):
            given = [*(f"--{name}" for name in self.style), *([] if self.caption else ["--no-caption"])]
            raise InputError(f"{listed(given)} is for pictures: leave it out, or choose png, svg or pdf.", "format")
        return kind


def run(plan: OutputPlan, settings: dict[str, Any]) -> None:
    """One prompt: compute it and write the result."""
    kind = plan.kind()
    check_out(plan.out, kind)
    if kind in IMAGES:
        _style(charts_of(plan.analysis), plan.style)
    request = checked(plan, settings)
    result = compute(request)
    deliver(rendered(plan, kind, request, result), plan.out)


def read_edits(given: str | None) -> str | None:
    """The stack of edits behind --edits: the JSON itself, or what the file of that name holds. Raises InputError."""
    if given is None or given.lstrip().startswith(("[", "{")):
        return given
    try:
        return Path(given).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"The file of edits {given} cannot be read: check --edits.", "edits") from error


def checked(plan: OutputPlan, settings: dict[str, Any]) -> Request:
    """The request, known to be complete before any model is opened. Raises InputError."""
    command = plan.analysis.replace("_", "-")
    for name, setting in settings_of(find_analysis(plan.analysis)).items():
        if setting.default is setting.empty and name not in settings:
            also = ", or a list of prompts with --prompts" if name == "prompt" else ""
            raise InputError(f"{command} needs --{name.replace('_', '-')}{also}.", name)
    for name, value in settings.items():
        if isinstance(value, str) and not is_unicode(value):
            raise InputError(f"The {name} is not valid UTF-8 text: check how it was typed or copied.", name)
    return Request.of(plan.analysis, plan.model, **settings)


def compute(request: Request) -> Result:
    """The result, from the process' engine; what libraries print goes nowhere. Raises InputError."""
    from mi_core.jobs.engine import engine

    job = engine().submit(request)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            while not job.wait(0.2):
                _show_progress(job, engine().status(request.model))
    finally:
        _show("")
        if not job.done:
            job.leave()
    return job.result()


def rendered(plan: OutputPlan, kind: str, request: Request, result: Result) -> bytes:
    """The result in the format asked for. Raises InputError where it has no such table."""
    if kind in IMAGES:
        charts = charts_of(plan.analysis)
        lines = caption(request, result) if plan.caption else ()
        return charts.picture(plan.analysis, result, kind, lines, _style(charts, plan.style))

    from mi_core.sharing import export  # pandas
    from mi_core.sharing.workbook import workbook

    frames = result.tables()
    if plan.table is not None and plan.table not in frames:
        raise InputError(f"There is no table {plan.table}: choose one of {', '.join(frames)}.", "table")
    chosen = {plan.table: frames[plan.table]} if plan.table else frames
    if kind == "json":
        whole = export.as_dict(request, result)
        for part in ("tables", "units"):
            whole[part] = {name: whole[part][name] for name in chosen}
        return export.dumps(whole).encode()
    if kind == "table":
        return export.as_text(chosen, result).encode()
    if kind == "html":
        reading = result.reading()
        return export.html_page(chosen, reading.title, reading.sentences).encode()
    if kind == "xlsx":
        return workbook(chosen, caption(request, result))
    return export.frame_bytes(next(iter(chosen.values())), kind)


def charts_of(analysis: str) -> Any:
    """The module that draws; imported by name and for images only, because nothing else here may need it."""
    import charts.export as charts

    if analysis not in charts.FIGURES:
        raise InputError(f"{analysis.replace('_', '-')} has no chart: choose csv or json.", "format")
    return charts


def _style(charts: Any, given: dict[str, str]) -> Any:
    """How the picture is made. Raises InputError for a word that is none."""
    known = {"size": charts.SIZES, "ground": charts.GROUNDS, "theme": charts.THEMES}
    for name, word in given.items():
        if word not in known[name]:
            raise InputError(f"There is no {name} {word}: choose one of {', '.join(known[name])}.", name)
    return charts.Style(**given)


def check_out(out: Path | None, kind: str) -> None:
    """Refuse a place that cannot be written before anyone waits for a result."""
    if out is None:
        if kind in BINARY and sys.stdout.isatty():
            raise InputError(f"{kind} is not for reading in a terminal: name a file with --out.", "out")
        return
    folder = out.parent
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to write {out.name} into: create it first.", "out")
    if out.is_dir():
        raise InputError(f"{out} is a folder: name a file with --out.", "out")
    if not os.access(out if out.exists() else folder, os.W_OK):
        raise InputError(f"{out} cannot be written: choose another place with --out.", "out")


def deliver(content: bytes, out: Path | None) -> None:
    """To the terminal, or to a file that is never seen half-written."""
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    if out.exists() and not out.is_file():  # a device or a pipe: nothing to replace
        with writing(out):
            out.write_bytes(content)
        return
    with writing(out):
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, out)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def writing(out: Path):
    """Turns a failed write into a sentence."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{out} could not be written ({error.strerror}): choose another place with --out.", "out"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _show_progress(job: Job, status: ModelStatus) -> None:
    if job.progress is not None and job.progress.message:
        _show(job.progress.message)
    elif job.progress is not None and job.progress.total:
        _show(f"{job.progress.done} of {job.progress.total}")
    elif status.state == "loading":
        _show(status.message + ("" if status.fraction is None else f" ({status.fraction:.0%})"))


def show_download(done: int, total: int, message: str) -> None:
    """How far the download of a model is."""
    _show(message + (f" ({done / total:.0%})" if total else ""))


def _show(line: str) -> None:
    """A line that the next one replaces, for people who watch."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8: words of a shell, and what is pasted, may hold half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
