#!/usr/bin/env python3
"""Start Loupe, or its tests, on a machine that has Python and nothing else.

    python3 loupe.py                          install once into .venv, then open the dashboard
    python3 loupe.py --port 8600 --no-browser
    python3 loupe.py test [pytest arguments]  the same for the tests, a headless browser included
    python3 loupe.py test --quick             those that take minutes and the browser's are left out
    python3 loupe.py types [--renew]          the type checker alone; --renew accepts what it finds now

Standard library only. It parses on Python 3.7, so that an old Python gets a sentence instead of a syntax error.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOG = VENV / "install.log"
OLDEST, NEWEST = (3, 11), (3, 12)
REQUIREMENTS = {"run": ("requirements.txt",), "test": ("requirements.txt", "requirements-dev.txt")}
CONSTRAINTS = "constraints.txt"
QUICK = "--quick"
# Torch reads the first one when it is imported: with passive waiting, idle threads of one user's computation do not
# take the processor from the next one. The others keep libraries from reporting home and from warning about forks.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_MODE": "disabled",
    "DO_NOT_TRACK": "1",
    "PYTHONUTF8": "1",
}
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_PLACES = {
    "darwin": [f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Chromium", "Google Chrome")],
    "win32": [
        rf"{folder}\{name}\Application\chrome.exe"
        for folder in ("%ProgramFiles%", "%ProgramFiles(x86)%", "%LocalAppData%")
        for name in ("Chromium", r"Google\Chrome")
    ],
}


def machine_problem(version: tuple[int, ...], system: str, machine: str, bits: int) -> str:
    """One sentence that says why the pinned libraries cannot run here and what to do, or "" when they can."""
    supported = f"{OLDEST[0]}.{OLDEST[1]} or {NEWEST[0]}.{NEWEST[1]}"
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        here = ".".join(map(str, version[:2]))
        found = next(filter(shutil.which, ("python3.11", "python3.12")), None)
        start = f"start it with: {found} loupe.py" if found else "install one of these first."
        return f"Loupe needs Python {supported} and this is Python {here}; {start}"
    if bits != 64:
        return f"Loupe needs a 64-bit Python and this one has {bits} bits; install the 64-bit Python {supported}."
    if system == "darwin" and machine == "x86_64":
        return "Loupe needs PyTorch 2.13, which is not made for Macs with Intel processors; use another computer."
    return ""


def fingerprint(purpose: str) -> str:
    """Hash of what an installation for `purpose` ("run" or "test") depends on: requirement files and Python version."""
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for name in (*REQUIREMENTS[purpose], CONSTRAINTS):
        digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    return digest.hexdigest()


def venv_python() -> Path:
    """The environment's own Python."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp(purpose: str) -> Path:
    """The file that says which fingerprint was installed completely; it is written last and removed first."""
    return VENV / f".installed-{purpose}"


def is_installed(purpose: str) -> bool:
    """Whether the environment is complete and belongs to the requirement files as they are now."""
    note = stamp(purpose)
    return venv_python().exists() and note.is_file() and note.read_text() == fingerprint(purpose)


def must_rebuild() -> bool:
    """Whether the environment has to be made anew: none there, broken, cut short, or made by another Python.

    An install that was cut short can leave a package whose files are missing but which pip takes for complete,
    so that installing over it would not repair it.
    """
    note = VENV / "pyvenv.cfg"
    complete = venv_python().exists() and stamp("run").is_file() and note.is_file()
    return not complete or f"version = {platform.python_version()}\n" not in note.read_text()


def install(purpose: str) -> None:
    """Make the environment for `purpose` unless it is there already; safe against a second start at the same time."""
    if is_installed(purpose):
        return
    with only_one(ROOT / ".venv.lock"):
        if is_installed(purpose):
            return
        if must_rebuild():
            make_environment()
        for other in REQUIREMENTS:
            stamp(other).unlink(missing_ok=True)
        pip_install(REQUIREMENTS[purpose])
        stamp("run").write_text(fingerprint("run"))
        stamp(purpose).write_text(fingerprint(purpose))


def make_environment() -> None:
    """Create an empty .venv with pip in it, in place of what may be there."""
    if importlib.util.find_spec("ensurepip") is None:
        name = "python{}.{}-venv".format(*sys.version_info[:2])
        raise SystemExit(f"This Python cannot make environments; on Debian or Ubuntu run: apt-get install {name}")
    say("Making an environment for Loupe in .venv (only the first start does this).")
    venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(VENV)


def pip_install(files: tuple[str, ...]) -> None:
    """Install requirement files under the constraints, naming the package in hand on one line of a terminal."""
    say("Installing the libraries: some minutes and a few gigabytes, once.")
    command = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += [part for name in files for part in ("-r", name)] + ["-c", CONSTRAINTS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    error = ""
    with LOG.open("w", encoding="utf-8") as log:
        pip = subprocess.Popen(command, cwd=ROOT, text=True, encoding="utf-8", errors="replace", **pipes)
        try:
            for line in pip.stdout:
                log.write(line)
                error = error or (line[7:].strip() if line.startswith("ERROR: ") else "")
                show_progress(line)
            failed = pip.wait()
        finally:
            pip.kill()  # an interrupted start must not leave pip writing into the environment
    if failed:
        say(f"The libraries could not be installed: {error or 'pip failed'}")
        raise SystemExit(f"Check the network connection and the disk, and start again; the record is in {LOG}")


def show_progress(line: str) -> None:
    """Name the package that pip has in hand, over the one before; nothing where the output is not a terminal."""
    words = [*line.split(), "", ""]
    note = {"Collecting": words[1], "Installing": "unpacking", "Successfully": ""}.get(words[0])
    if note is not None and sys.stdout.isatty():
        print(f"  {note:<70}", end="\r", flush=True)


@contextlib.contextmanager
def only_one(path: Path):
    """Hold a lock on `path`, waiting for a holder to finish; the system releases it if this process dies."""
    with path.open("a+") as file:
        try:
            lock(file, wait=False)
        except OSError:
            say("Another start of Loupe is installing; waiting for it to finish.")
            lock(file, wait=True)
        yield


def lock(file, wait: bool) -> None:
    """Take an exclusive lock; raises OSError when it is held and `wait` is false."""
    if os.name == "nt":
        import msvcrt

        file.seek(0)
        while wait:
            with contextlib.suppress(OSError):  # LK_LOCK gives up after ten seconds
                return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        return msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    import fcntl

    return fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def find_browser(system: str = sys.platform) -> str | None:
    """Path of a Chromium or Chrome on this machine, or None."""
    on_path = (shutil.which(name) for name in BROWSER_NAMES)
    usual = (os.path.expandvars(place) for place in BROWSER_PLACES.get(system, ()))
    candidates = [*filter(None, on_path), *(place for place in usual if os.path.isfile(place))]
    return next((path for path in candidates if browser_runs(path, system)), None)


def browser_runs(path: str, system: str) -> bool:
    """Whether the program starts: Ubuntu's chromium-browser may be a note that points to a snap."""
    if not system.startswith("linux"):
        return True
    try:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.run([path, "--version"], timeout=30, **quiet).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def may_use_apt() -> bool:
    """Whether this is a Debian-like system where we may install a package."""
    return os.path.exists("/etc/debian_version") and bool(shutil.which("apt-get")) and os.geteuid() == 0


def run_quietly(command: list[str]) -> bool:
    """Run a command, its output to the log; True when it succeeded."""
    with LOG.open("a", encoding="utf-8") as log:
        return subprocess.call(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL) == 0


def provide_browser() -> str:
    """Path of a browser for the tests, installed if need be; "" is Playwright's own. Exits when none can be had."""
    found = os.environ.get("LOUPE_CHROMIUM") or find_browser()
    if found:
        return found
    if may_use_apt():
        say("Installing Chromium for the browser tests with apt-get.")
        run_quietly(["apt-get", "-q", "update"])
        run_quietly(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y", "chromium"])
        found = find_browser()
        if found:
            return found
    say("Fetching Playwright's Chromium for the browser tests.")
    if run_quietly([str(venv_python()), "-m", "playwright", "install", "chromium"]):
        return ""
    raise SystemExit(f"The tests need a browser; install Chromium or Chrome and start again (the record is in {LOG}).")


def child_environment(given: Mapping[str, str], **more: str) -> dict[str, str]:
    """The environment of the dashboard or the tests: our defaults, overruled by what the user has set."""
    return {**ENVIRONMENT, **more, **given}


def dashboard_command(arguments: list[str]) -> list[str]:
    """The command behind `loupe.py [options]`; options that are not ours go on to Streamlit."""
    parser = argparse.ArgumentParser("loupe.py", allow_abbrev=False, description="Open Loupe in the browser.")
    parser.epilog = "`loupe.py test [--quick] [pytest arguments]` runs the tests. Other options go to `streamlit run`."
    parser.add_argument("--port", type=int, help="port of the dashboard (8501, or the next that is free)")
    parser.add_argument("--no-browser", action="store_true", help="start without opening a browser window")
    ours, theirs = parser.parse_known_args(arguments)
    command = [str(venv_python()), "-m", "streamlit", "run", str(ROOT / "serve.py")]
    command += ["--server.port", str(ours.port)] if ours.port else []
    command += ["--server.headless", "true"] if ours.no_browser else []
    return command + theirs


def test_command(arguments: list[str]) -> list[str]:
    """The command behind `loupe.py test`: two workers unless the arguments say otherwise."""
    alone = ("-n", "--numprocesses", "--pdb", "--trace", "no:xdist", "-pno:xdist")
    chosen = any(word in alone or word.startswith(("-n", "--numprocesses=")) for word in arguments)
    workers = [] if chosen else ["-n", "2", "--dist", "worksteal"]
    quick = ["-m", "not browser and not slow"] if QUICK in arguments else []
    return [str(venv_python()), "-m", "pytest", *workers, *quick, *(word for word in arguments if word != QUICK)]


def types_command(renew: bool = False) -> list[str]:
    """The command behind `loupe.py types`: only findings that the baseline does not hold are reported.

    Where some of those it holds are gone, it is written anew without them; `renew` writes it as all findings of now.
    """
    mode = ["--writebaseline"] if renew else ["--baselinemode=auto"]
    return [str(venv_python()), "-m", "basedpyright", *mode]


def checks(arguments: list[str]) -> dict[str, list[str]]:
    """What runs before pytest {what is wrong where it fails: command}; the types, half a minute, before all tests."""
    ruff = [str(venv_python()), "-m", "ruff"]
    style = {
        "Some lines break the style: see above, or try `ruff check --fix`.": [*ruff, "check", "--quiet"],
        "Some files are not formatted: run `ruff format`.": [*ruff, "format", "--check", "--quiet"],
    }
    if QUICK in arguments or not all(word.startswith("--") for word in arguments):
        return style
    return {**style, "Some types do not fit: see above.": types_command()}


def failed_checks(arguments: list[str], environment: dict[str, str]) -> int:
    """Run the checks, say what is wrong, and return how many failed."""
    failed = 0
    for complaint, command in checks(arguments).items():
        if subprocess.call(command, cwd=ROOT, env=environment):
            say(f"loupe.py test: {complaint}")
            failed += 1
    return failed


def become(command: list[str], environment: dict[str, str]) -> int:
    """Run the command in this process's place, so that Ctrl+C and the exit status are the command's own."""
    os.chdir(ROOT)
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(command[0], command, environment)
    return follow(command, environment)


def follow(command: list[str], environment: dict[str, str]) -> int:
    """Run the command and wait for it; returns its exit status."""
    child = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the child got it too and is closing down
                return child.wait()
    finally:
        child.terminate()


def say(sentence: str) -> None:
    """Print one line now, even into a pipe."""
    print(sentence, flush=True)


def test(arguments: list[str]) -> int:
    """Check the style and the types, then run the tests; returns the exit status, pytest's where nothing was wrong."""
    install("test")
    # One thread per worker: two workers with all threads each would wait for one another.
    environment = child_environment(os.environ, OMP_NUM_THREADS="1")
    failed = failed_checks(arguments, environment)
    if QUICK not in arguments:
        environment["LOUPE_CHROMIUM"] = provide_browser()
    command = test_command(arguments)
    return (follow(command, environment) or 1) if failed else become(command, environment)


def main(arguments: list[str]) -> int:
    """Start the dashboard, the tests or the type checker; returns the exit status."""
    problem = machine_problem(sys.version_info, sys.platform, platform.machine(), struct.calcsize("P") * 8)
    if problem:
        raise SystemExit(problem)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments[:1] == ["test"]:
            return test(arguments[1:])
        if arguments[:1] == ["types"]:
            install("test")
            return become(types_command(renew="--renew" in arguments), child_environment(os.environ))
        command = dashboard_command(arguments)
        install("run")
        return become(command, child_environment(os.environ))
    except KeyboardInterrupt:
        say("\nStopped. The next start finishes what is missing.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
