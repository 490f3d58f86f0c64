"""The command line: every analysis as a command, its settings as options, both read from its signature.

    python -m mi_core logit-lens --prompt "The capital of Texas is" --target Austin --format csv

Exit status 0; 2 for input that cannot be used, with one line that says what to do.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import json
import logging
import os
import sys
import traceback
import typing
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from mi_core.analyses._index import analysis_names, described, find_analysis, parameters, question, settings_of
from mi_core.errors import InputError
from mi_core.models import catalogue, loading, opening
from mi_core.models.forecast import gigabytes
from mi_core.sharing import batch, output

PROGRAM = "python -m mi_core"
LISTS = ("models", "analyses")
FORMATS = (
    "table, csv, csv-excel, csv-raw, xlsx, json, parquet, html, png, svg or pdf; by default what --out ends with, else "
    "table. In csv, text that a spreadsheet would run as a formula (it begins with =, +, -, @, a tab or a line end) "
    "has an apostrophe in front; csv-excel is the same with the mark by which Excel knows UTF-8. xlsx leaves text as "
    "it is, in cells that are not run; csv-raw, json and parquet leave it as it is, and a spreadsheet may run it"
)

ListFormat = Literal["table", "json"]

MODEL = typer.Option("--model", help="Catalogue id (see `models`), Hugging Face id (owner/name) or folder.")
PROMPTS = typer.Option(
    "--prompts",
    help="CSV file (separated by commas, semicolons or tabs) with a column `prompt` and, optionally, columns named "
    "like settings: one run per row, appended to --out; started again under the same conditions, which are kept in a "
    "file beside --out, it goes on where it stopped.",
)
ANEW = typer.Option("--anew", help="With --prompts: start from the first row, and replace what --out holds.")
FORMAT = typer.Option("--format", help=FORMATS[0].upper() + FORMATS[1:] + ".")
EDITS = typer.Option(
    "--edits", help="JSON file with the edits that are on meanwhile, as the dashboard exports them, or the JSON itself."
)
OUT = typer.Option("--out", help="File to write; without it, the terminal.")
SIZE = typer.Option(
    "--size", help="Of a picture: screen, slide (1600 pixels), column (85 mm at 300 dpi) or page (170 mm at 300 dpi)."
)
GROUND = typer.Option("--ground", help="Of a picture: page (the dashboard's colour), white or transparent.")
THEME = typer.Option("--theme", help="Of a picture: light or dark; on white it is light.")
CAPTION = typer.Option("--caption/--no-caption", help="Below a picture: prompt, model, answer, settings and version.")
TABLE = typer.Option("--table", help="Which of the result's tables; by default all, or the first where one must do.")
PICTURE = {"size": SIZE, "ground": GROUND, "theme": THEME}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Words after the program's name; None for those of this process.

    Returns:
        The exit status. One line on stderr explains every status but 0.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        with _quiet():
            status = _command().main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
            sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except InputError as error:
        return _say(error.message, 2)
    except TyperException as error:
        return _say(_usage(error), 2)
    except (BrokenPipeError, SystemExit):
        # The reader of our output has seen enough (typer says so by SystemExit); what is still in the buffer must
        # not raise at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _say("Interrupted.", 130)
    except Exception as error:  # a defect of ours: one line for people, the rest on request
        if os.environ.get("LOUPE_TRACEBACK"):
            traceback.print_exc()
        what = f"{type(error).__name__}: {error}"
        return _say(f"Loupe failed ({what}): set LOUPE_TRACEBACK=1 to see where, and please report it.", 1)


class Commands(TyperGroup):
    """The lists, and one command per analysis: only the one that is asked for is imported."""

    def list_commands(self, ctx) -> list[str]:
        return [*LISTS, *(name.replace("_", "-") for name in analysis_names())]

    def get_command(self, ctx, cmd_name: str):
        if cmd_name in LISTS:
            return super().get_command(ctx, cmd_name)
        if cmd_name not in self.list_commands(ctx):
            close = difflib.get_close_matches(cmd_name, self.list_commands(ctx), n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(self.list_commands(ctx))}."
            raise InputError(f"There is no command {cmd_name}: {hint}", "analysis")
        return _analysis_command(cmd_name.replace("-", "_"))

    def format_commands(self, ctx, formatter) -> None:
        with formatter.section("Commands"):
            lists = [("models", models.__doc__), ("analyses", analyses.__doc__)]
            formatter.write_dl(lists + [(name.replace("_", "-"), question(name)) for name in analysis_names()])


def models(format: Annotated[ListFormat, typer.Option(help="For people or for programs.")] = "table") -> None:
    """Which models there are."""
    if format == "json":
        fields = ("id", "title", "description", "licence", "parameters", "download_bytes", "memory_bytes", "gated")
        plain = [{name: getattr(entry, name) for name in fields} for entry in catalogue.entries()]
        print(json.dumps(plain, indent=1, ensure_ascii=False))
        return
    for entry in catalogue.entries():
        numbers = f"{_count(entry.parameters)} parameters, needs about {gigabytes(entry.memory_bytes)} of memory"
        fetched = f"downloads about {gigabytes(entry.download_bytes)} once" if entry.download_bytes else "built in"
        gated = "; its owner asks you to accept the licence first" if entry.gated else ""
        print(f"{entry.id:<16}{entry.description}\n{'':<16}{numbers}, {fetched}. Licence: {entry.licence}{gated}.")
        known = None if entry.folder is None else opening.remembered(loading.fingerprint(entry.folder))
        for sentence in () if known is None else known.sentences():
            print(f"{'':<16}{sentence}")
    print("\nAny Hugging Face id (owner/name) or model folder works too.")


def analyses(format: Annotated[ListFormat, typer.Option(help="For people or for programs.")] = "table") -> None:
    """Which analyses there are, as the questions they answer."""
    listed = {name.replace("_", "-"): question(name) for name in analysis_names()}
    if format == "json":
        plain = [{"analysis": name, "question": text} for name, text in listed.items()]
        print(json.dumps(plain, indent=1, ensure_ascii=False))
        return
    for name, text in listed.items():
        print(f"{name:<16}{text}")


def _command():
    app = typer.Typer(
        cls=Commands, help="Look inside a language model.", add_completion=False, rich_markup_mode=None
    )  # fmt: skip
    app.command("models")(models)
    app.command("analyses")(analyses)
    return typer.main.get_command(app)


def _analysis_command(name: str):
    """A command whose options are the analysis' settings, and a model and a list of prompts where it takes these."""
    analysis, takes = find_analysis(name), parameters(name)
    options = [
        *([_parameter("model", str, catalogue.DEFAULT, MODEL)] if "model" in takes else []),
        *options_of(analysis),
        *([_parameter("edits", str | None, None, EDITS)] if "model" in takes else []),
        *([_parameter("prompts", Path | None, None, PROMPTS)] if "prompt" in takes else []),
        *([_parameter("anew", bool, False, ANEW)] if "prompt" in takes else []),
        _parameter("format", str | None, None, FORMAT),
        _parameter("out", Path | None, None, OUT),
        _parameter("table", str | None, None, TABLE),
        *(_parameter(option, str | None, None, given) for option, given in PICTURE.items()),
        _parameter("caption", bool, True, CAPTION),
    ]

    def command(*, model: str = "", edits: str | None = None, prompts: Path | None = None, **given: Any) -> None:
        asked = {
            option: given.pop(option) for option in ("format", "out", "table", "anew", "caption") if option in given
        }
        style = {option: word for option in PICTURE if (word := given.pop(option)) is not None}
        plan = output.OutputPlan(name, model, **asked, style=style)
        given["edits"] = output.read_edits(edits)
        settings = {key: value for key, value in given.items() if value is not None}
        if prompts is None:
            if plan.anew:
                raise InputError("--anew is for a list of prompts: leave it out, or name one with --prompts.", "anew")
            output.run(plan, settings)
        else:
            if "prompt" in settings:
                raise InputError("There is --prompt beside --prompts: leave one of them out.", "prompts")
            batch.run(plan, settings, prompts)

    command.__doc__ = (inspect.getdoc(analysis) or "").partition("\nArgs:")[0].strip()
    command.__signature__ = inspect.Signature(options)
    command.__annotations__ = {option.name: option.annotation for option in options}
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name.replace("_", "-"))(command)
    return typer.main.get_command(app)


def options_of(analysis: Callable) -> list[inspect.Parameter]:
    """The analysis' settings as typer options; help texts come from the Args of its docstring.

    None is required here, because a column of --prompts may bring it.
    """
    texts = described(analysis)
    options = []
    for name, setting in settings_of(analysis).items():
        dashed, required = name.replace("_", "-"), setting.default is inspect.Parameter.empty
        is_bool = bool in (setting.annotation, *typing.get_args(setting.annotation))
        flag = f"--{dashed}/--no-{dashed}" if is_bool else f"--{dashed}"
        note = texts.get(name, "") + (" Required." if required else "")
        annotation, default = setting.annotation, None if required else setting.default
        if typing.get_origin(annotation) is tuple:  # of any length: the option may be given several times
            annotation, default = list[typing.get_args(annotation)[0]], list(setting.default)
        annotation = annotation | None if required else annotation
        options.append(_parameter(name, annotation, default, typer.Option(flag, help=note)))
    return options


def _parameter(name: str, annotation: Any, default: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else PROGRAM
    return f"{error.format_message().rstrip('.')}: see {where} --help."


def _say(message: str, status: int) -> int:
    """One line on stderr, whatever the message quotes."""
    line = "".join(char if char.isprintable() else " " for char in message)
    print(line, file=sys.stderr)
    return status


@contextlib.contextmanager
def _quiet():
    """Keep what libraries have to say about themselves out of the output; Loupe's own warnings stay."""
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(name, "error")
    handler = logging.StreamHandler()
    handler.addFilter(logging.Filter("mi_core"))
    logging.basicConfig(handlers=[handler], format="%(message)s")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} billion" if parameters >= 1e9 else f"{parameters / 1e6:.0f} million"
