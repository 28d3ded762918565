"""Commands in a folder of their own, without settings from around the test."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from flask.testing import FlaskCliRunner

from app import create_app
from app.cli import commands


class Ended(NamedTuple):
    """A command that has ended: its exit code, and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty at first."""
    for name in list(os.environ):
        if name.startswith(("STRUERE_", "NO_COLOR")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def struere(runner: FlaskCliRunner) -> Run:
    """Run a command on the application's database."""

    def run(*arguments: str, **options: Any) -> Ended:
        result = runner.invoke(args=["struere", *arguments], **options)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def struere_local() -> Run:
    """Run a command as the executable does, on the database that the settings name."""

    def run(*arguments: str, **options: Any) -> Ended:
        result = CliRunner().invoke(commands, arguments, obj=create_app, **options)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def executable() -> Run:
    """Run a command as a process of its own, which takes about half a second."""

    def run(*arguments: str, input: str = "", **variables: str) -> Ended:  # noqa: A002, subprocess's name
        command = [str(Path(sys.executable).parent / "struere-local"), *arguments]
        environment = os.environ | variables
        result = subprocess.run(command, input=input, capture_output=True, text=True, check=False, env=environment)
        return Ended(result.returncode, result.stdout, result.stderr)

    return run


def assert_refused(ended: Ended, *parts: str) -> None:
    """Check that a command failed with one line on standard error that has all the parts."""
    assert (ended.code, ended.stdout) == (1, ""), ended
    assert ended.stderr.startswith("Error: "), ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    for part in parts:
        assert part in ended.stderr


def assert_misused(ended: Ended, part: str) -> None:
    """Check that a command was refused with click's code for wrong usage, in one line that names the help."""
    assert (ended.code, ended.stdout) == (2, ""), ended
    assert re.fullmatch("Error: .*[.?)] See .* --help\n", ended.stderr), ended.stderr
    assert part in ended.stderr
