"""What the launcher decides, without installing anything: what it starts, with which environment, when it installs."""

import ast
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import loupe
from tests.patience import SECONDS

LINUX = (3, 11), "linux", "x86_64", 64
needs_posix = pytest.mark.skipif(os.name == "nt", reason="the fake programs here are shell scripts")


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """The launcher in an empty folder with requirement files; returns the list of what it did instead of doing it."""
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        (tmp_path / name).write_text("numpy==1\n")
    monkeypatch.setattr(loupe, "ROOT", tmp_path)
    monkeypatch.setattr(loupe, "VENV", tmp_path / ".venv")
    done = []

    def make_environment():
        done.append("venv")
        shutil.rmtree(loupe.VENV, ignore_errors=True)
        loupe.venv_python().parent.mkdir(parents=True)
        loupe.venv_python().touch()
        (loupe.VENV / "pyvenv.cfg").write_text(f"home = /usr\nversion = {platform.python_version()}\n")

    monkeypatch.setattr(loupe, "make_environment", make_environment)
    monkeypatch.setattr(loupe, "pip_install", lambda files: done.append("+".join(files)))
    return done


@pytest.fixture
def started(steps, monkeypatch):
    """The launcher with everything installed; returns the (command, environment) that took its place or ran beside."""
    commands = []
    for name in ("OMP_NUM_THREADS", "LOUPE_CHROMIUM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(signal, "signal", lambda *handler: None)
    monkeypatch.setattr(loupe, "provide_browser", lambda: "/opt/chromium")
    monkeypatch.setattr(loupe, "failed_checks", lambda arguments, environment: 0)
    for name in ("become", "follow"):
        monkeypatch.setattr(loupe, name, lambda command, environment: commands.append((command, environment)) or 7)
    return commands


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that is the whole PATH; returns a function that puts a program into it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LOUPE_CHROMIUM", raising=False)
    monkeypatch.setattr(loupe, "LOG", tmp_path / "install.log")

    def add(name, status=0):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
        return str(tmp_path / name)

    return add


def test_second_start_installs_nothing(steps):
    loupe.install("run")
    loupe.install("run")
    assert steps == ["venv", "requirements.txt"]


def test_test_tools_are_added_to_the_environment_and_serve_the_dashboard_too(steps):
    loupe.install("run")
    loupe.install("test")
    loupe.install("run")
    assert steps == ["venv", "requirements.txt", "requirements.txt+requirements-dev.txt"]


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_changed_requirements_install_again_into_the_same_environment(steps, name):
    loupe.install("run")
    (loupe.ROOT / name).write_text("numpy==2\n")
    assert not loupe.is_installed("run")
    loupe.install("run")
    assert steps == ["venv", "requirements.txt", "requirements.txt"]


def test_changed_test_tools_concern_the_tests_alone(steps):
    loupe.install("test")
    (loupe.ROOT / "requirements-dev.txt").write_text("pytest==2\n")
    assert loupe.is_installed("run") and not loupe.is_installed("test")


@pytest.mark.parametrize("purpose", ["run", "test"])
def test_interrupted_install_is_made_anew(steps, monkeypatch, purpose):
    def interrupted(files):
        raise KeyboardInterrupt

    loupe.install("run")
    (loupe.ROOT / "constraints.txt").write_text("numpy==2\n")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loupe, "pip_install", interrupted)
        loupe.install(purpose)
    assert not loupe.is_installed("run")
    steps.clear()
    loupe.install(purpose)
    assert steps[0] == "venv" and loupe.is_installed(purpose)


def test_another_python_makes_the_environment_anew(steps, monkeypatch):
    loupe.install("run")
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(platform, "python_version", lambda: "3.12.1")
    loupe.install("run")
    assert steps == ["venv", "requirements.txt"] * 2


def test_lost_interpreter_makes_the_environment_anew(steps):
    loupe.install("run")
    loupe.venv_python().unlink()
    loupe.install("run")
    assert steps == ["venv", "requirements.txt"] * 2


def test_second_start_at_the_same_time_waits_for_the_first(steps):
    waiter = "import loupe, pathlib, sys\nwith loupe.only_one(pathlib.Path(sys.argv[1])): print('mine', flush=True)"
    path = loupe.ROOT / "lock"
    folder = Path(loupe.__file__).parent
    with loupe.only_one(path):
        command = [sys.executable, "-u", "-c", waiter, str(path)]
        other = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        assert "waiting" in other.stdout.readline()
        time.sleep(0.2)
        assert other.poll() is None
    assert other.communicate(timeout=SECONDS)[0] == "mine\n"


def test_this_python_is_accepted():
    assert loupe.machine_problem(*LINUX) == ""
    assert loupe.machine_problem((3, 12, 4), "darwin", "arm64", 64) == ""


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 13, 0), (2, 7, 18)])
def test_wrong_python_gets_one_sentence(version, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    message = loupe.machine_problem(version, *LINUX[1:])
    here = ".".join(map(str, version[:2]))
    assert message == f"Loupe needs Python 3.11 or 3.12 and this is Python {here}; install one of these first."


def test_wrong_python_names_the_right_one_that_is_there(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name if name == "python3.12" else None)
    assert loupe.machine_problem((3, 9), *LINUX[1:]).endswith("; start it with: python3.12 loupe.py")


def test_machines_that_torch_is_not_made_for():
    assert "64-bit" in loupe.machine_problem((3, 11), "win32", "x86", 32)
    assert "Intel" in loupe.machine_problem((3, 11), "darwin", "x86_64", 64)


def test_wrong_python_ends_the_start_before_anything_is_made(steps, monkeypatch):
    monkeypatch.setattr(loupe, "machine_problem", lambda *machine: "Loupe needs another Python.")
    with pytest.raises(SystemExit, match="Loupe needs another Python"):
        loupe.main([])
    assert steps == []


def test_launcher_parses_on_the_pythons_it_turns_away():
    ast.parse(Path(loupe.__file__).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_launcher_uses_the_standard_library_only():
    tree = ast.parse(Path(loupe.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_user_settings_overrule_our_defaults():
    child = loupe.child_environment({"OMP_WAIT_POLICY": "ACTIVE", "HOME": "/home/x"}, OMP_NUM_THREADS="1")
    assert child["OMP_WAIT_POLICY"] == "ACTIVE" and child["HOME"] == "/home/x" and child["OMP_NUM_THREADS"] == "1"
    untouched = loupe.child_environment({})
    assert untouched["OMP_WAIT_POLICY"] == "PASSIVE" and untouched["TOKENIZERS_PARALLELISM"] == "false"
    assert untouched["HF_HUB_DISABLE_TELEMETRY"] == "1" and untouched["WANDB_MODE"] == "disabled"
    assert untouched["DO_NOT_TRACK"] == "1"


def test_dashboard_options():
    plain = loupe.dashboard_command([])
    assert plain[1:4] == ["-m", "streamlit", "run"] and plain[4].endswith("serve.py") and len(plain) == 5
    assert loupe.dashboard_command(["--port", "8600"])[5:] == ["--server.port", "8600"]
    assert loupe.dashboard_command(["--no-browser"])[5:] == ["--server.headless", "true"]
    assert loupe.dashboard_command(["--server.baseUrlPath", "loupe"])[5:] == ["--server.baseUrlPath", "loupe"]


def test_port_that_is_no_number_is_refused_before_installing(steps, capsys):
    with pytest.raises(SystemExit) as stop:
        loupe.main(["--port", "many"])
    assert stop.value.code == 2 and "--port" in capsys.readouterr().err and steps == []


def test_tests_run_on_two_workers_unless_told_otherwise():
    assert loupe.test_command(["-k", "lens"])[1:] == ["-m", "pytest", "-n", "2", "--dist", "worksteal", "-k", "lens"]
    for given in (["-n", "0"], ["-n4"], ["--numprocesses=3"], ["--pdb"], ["-p", "no:xdist"]):
        assert loupe.test_command(given)[1:] == ["-m", "pytest", *given]


def test_tests_get_the_browser_and_one_thread_per_worker(started):
    assert loupe.main(["test", "-k", "lens"]) == 7
    command, environment = started[0]
    assert command == loupe.test_command(["-k", "lens"])
    assert environment["LOUPE_CHROMIUM"] == "/opt/chromium" and environment["OMP_NUM_THREADS"] == "1"


def test_the_quick_tests_need_no_browser(started):
    assert loupe.main(["test", "--quick", "-x"]) == 7
    command, environment = started[0]
    assert "LOUPE_CHROMIUM" not in environment
    assert command[-3:] == ["-m", "not browser and not slow", "-x"]


def test_types_are_checked_alone_and_the_baseline_is_renewed_only_when_asked(started):
    assert loupe.main(["types"]) == loupe.main(["types", "--renew"]) == 7
    plain, renewed = (command for command, _ in started)
    assert plain[1:3] == renewed[1:3] == ["-m", "basedpyright"]
    assert "--writebaseline" in renewed and "--writebaseline" not in plain


@pytest.mark.parametrize(
    ("arguments", "tools"),
    [
        ([], ["ruff", "ruff", "basedpyright"]),
        (["--durations=5"], ["ruff", "ruff", "basedpyright"]),
        (["--quick"], ["ruff", "ruff"]),
        (["tests/test_launcher.py"], ["ruff", "ruff"]),
        (["-k", "lens"], ["ruff", "ruff"]),
    ],
)
def test_the_style_is_checked_before_any_tests_and_the_types_before_all(arguments, tools):
    assert [command[2] for command in loupe.checks(arguments).values()] == tools


@pytest.mark.parametrize(("status", "end"), [(0, 1), (5, 5)])
def test_a_failed_check_fails_the_whole_and_the_tests_still_run_last(started, monkeypatch, status, end):
    monkeypatch.setattr(loupe, "failed_checks", lambda arguments, environment: 1)
    monkeypatch.setattr(loupe, "follow", lambda command, environment: started.append(command) or status)
    assert loupe.main(["test"]) == end
    assert started == [loupe.test_command([])]


def test_each_failed_check_says_what_is_wrong(monkeypatch, capfd):
    python = [sys.executable, "-c"]
    commands = {"Too long.": [*python, "print('line 3'); exit(2)"], "Never said.": [*python, ""]}
    monkeypatch.setattr(loupe, "checks", lambda arguments: commands)
    assert loupe.failed_checks([], dict(os.environ)) == 1
    assert capfd.readouterr().out.splitlines() == ["line 3", "loupe.py test: Too long."]


@needs_posix
def test_what_runs_beside_the_launcher_gives_its_status_and_ends_with_it(monkeypatch, tmp_path):
    monkeypatch.setattr(loupe, "ROOT", tmp_path)
    assert loupe.follow([sys.executable, "-c", "exit(5)"], dict(os.environ)) == 5
    ended = []
    monkeypatch.setattr(subprocess.Popen, "wait", lambda child: sys.exit(143))
    monkeypatch.setattr(subprocess.Popen, "terminate", lambda child: ended.append(child) or child.kill())
    with pytest.raises(SystemExit):
        loupe.follow([sys.executable, "-c", "input()"], dict(os.environ))
    assert len(ended) == 1


@needs_posix
def test_browser_search_order(programs, monkeypatch, tmp_path):
    monkeypatch.setitem(loupe.BROWSER_PLACES, "darwin", [str(tmp_path / "Chrome.app")])
    assert loupe.find_browser("linux") is None
    usual = programs("Chrome.app")
    assert loupe.find_browser("darwin") == usual and loupe.find_browser("linux") is None
    for name in ("google-chrome", "chromium-browser", "chromium"):
        latest = programs(name)
        assert loupe.find_browser("linux") == loupe.find_browser("darwin") == latest


@needs_posix
def test_browser_that_does_not_start_is_passed_over(programs):
    programs("chromium", status=1)
    chrome = programs("google-chrome")
    assert loupe.find_browser("linux") == chrome


def answers(monkeypatch, apt, works):
    """Let apt be allowed or not and each command succeed when `works(command)`; returns the commands that were run."""
    ran = []
    monkeypatch.setattr(loupe, "may_use_apt", lambda: apt)
    monkeypatch.setattr(loupe, "run_quietly", lambda command: ran.append(" ".join(command)) or works(ran[-1]))
    return ran


@needs_posix
def test_system_browser_comes_first(programs, monkeypatch):
    chromium = programs("chromium")
    ran = answers(monkeypatch, apt=True, works=lambda command: True)
    assert loupe.provide_browser() == chromium and ran == []


@needs_posix
def test_debian_package_comes_second(programs, monkeypatch):
    ran = answers(monkeypatch, apt=True, works=lambda command: "install" not in command or bool(programs("chromium")))
    monkeypatch.setattr(loupe, "browser_runs", lambda path, system: True)
    assert Path(loupe.provide_browser()).name == "chromium"
    assert [command.split()[-1] for command in ran] == ["update", "chromium"]


@pytest.mark.parametrize("apt", [True, False])
def test_playwright_download_comes_third(programs, monkeypatch, apt):
    ran = answers(monkeypatch, apt=apt, works=lambda command: "playwright" in command)
    monkeypatch.setattr(loupe, "BROWSER_PLACES", {})
    assert loupe.provide_browser() == ""
    assert ran[-1].endswith("-m playwright install chromium") and len(ran) == (3 if apt else 1)


def test_no_browser_at_all_stops_the_tests(programs, monkeypatch):
    answers(monkeypatch, apt=False, works=lambda command: False)
    monkeypatch.setattr(loupe, "BROWSER_PLACES", {})
    with pytest.raises(SystemExit, match="install Chromium or Chrome"):
        loupe.provide_browser()


def test_browser_named_by_the_user_is_taken(programs, monkeypatch):
    monkeypatch.setenv("LOUPE_CHROMIUM", "/opt/mine")
    assert loupe.provide_browser() == "/opt/mine"


def test_every_requirement_is_pinned_as_in_the_constraints():
    folder = Path(loupe.__file__).parent

    def pins(name):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        return [line.partition(";")[0].lower().replace("_", "-") for line in lines if line and not line.startswith("#")]

    whole = pins("constraints.txt")
    assert whole == sorted(whole) and "torch==2.13.0" in whole
    assert all(pin.count("==") == 1 and "+" not in pin and "@" not in pin for pin in whole)
    assert set(pins("requirements.txt") + pins("requirements-dev.txt")) <= set(whole)
