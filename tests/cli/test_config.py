"""struere-local config, and where settings come from."""

from pathlib import Path
from typing import Any

import pytest

from app.config import SETTINGS

from .conftest import Run, assert_misused, assert_refused

SECRET = "sk_dev_" + "a1" * 16


@pytest.fixture
def config_file(folder: Path) -> Path:
    (folder / "instance").mkdir()
    return folder / "instance" / "config.py"


def setting(run: Run, name: str, *options: str) -> tuple[str, str]:
    """Return a setting's value and its source."""
    found: dict[str, Any] = run("config", "--json", *options).json[name]
    return found["value"], found["source"]


def test_every_setting_has_a_line_with_value_source_and_variable(struere_local: Run) -> None:
    shown = struere_local("config")
    header, *lines = shown.stdout.splitlines()
    assert (header.split(), shown.code, shown.stderr) == (["SETTING", "VALUE", "FROM", "VARIABLE"], 0, "")
    assert [line.split()[0] for line in lines] == [setting.name for setting in SETTINGS]
    assert [line.split()[-1] for line in lines] == [f"STRUERE_{setting.name}" for setting in SETTINGS]
    assert lines[3].split() == ["PORT", "8000", "default", "STRUERE_PORT"]


def test_the_database_is_in_the_instance_folder_of_the_current_one(struere_local: Run, folder: Path) -> None:
    assert setting(struere_local, "DATABASE") == (str(folder / "instance" / "struere.db"), "default")
    assert list(folder.iterdir()) == []


def test_option_beats_environment_beats_file_beats_default(
    struere_local: Run, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert setting(struere_local, "ORGANIZATION") == ("local", "default")
    config_file.write_text("ORGANIZATION = 'filed'\n")
    assert setting(struere_local, "ORGANIZATION") == ("filed", str(config_file))
    monkeypatch.setenv("STRUERE_ORGANIZATION", "surrounding")
    assert setting(struere_local, "ORGANIZATION") == ("surrounding", "environment")
    assert setting(struere_local, "ORGANIZATION", "--organization", "chosen") == ("chosen", "option")


def test_the_executable_reads_all_four(executable: Run, config_file: Path) -> None:
    config_file.write_text("PORT = 1\nHOST = 'filed'\n")
    shown = executable("config", "--json", "--organization", "chosen", STRUERE_HOST="surrounding")
    names = ("ORGANIZATION", "HOST", "PORT", "WORKERS")
    assert [tuple(shown.json[name].values()) for name in names] == [
        ("chosen", "option"),
        ("surrounding", "environment"),
        ("1", str(config_file)),
        ("1", "default"),
    ]


def test_an_empty_variable_is_no_setting(struere_local: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUERE_PORT", "")
    assert setting(struere_local, "PORT") == ("8000", "default")


SHOWN: dict[str, tuple[str, str, str]] = {
    "a key but for its prefix": ("KEY", SECRET, "sk_dev_…"),
    "a switch as on or off": ("EPHEMERAL", "1", "on"),
    "a number of requests as a rate": ("LIMIT_PER_KEY", "100", "100/minute"),
    "a rate": ("LIMIT_PER_ORGANIZATION", "5/second", "5/second"),
    "no rate": ("LIMIT_PER_KEY", "OFF", "off"),
    "a tokenizer": ("TOKENIZER", "porter unicode61 tokenchars '@'", "porter unicode61 tokenchars '@'"),
    "the memory as storage of the limits": ("LIMIT_STORAGE", "memory://", "memory://"),
}


@pytest.mark.parametrize(("name", "given", "shown"), SHOWN.values(), ids=SHOWN)
def test_a_setting_is_shown(
    struere_local: Run, monkeypatch: pytest.MonkeyPatch, name: str, given: str, shown: str
) -> None:
    monkeypatch.setenv(f"STRUERE_{name}", given)
    assert setting(struere_local, name) == (shown, "environment")


def test_a_relative_path_is_of_the_current_folder(
    struere_local: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRUERE_PROJECT", "shop")
    assert setting(struere_local, "PROJECT") == (str(folder / "shop"), "environment")
    assert setting(struere_local, "DATABASE", "--database", "a.db") == (str(folder / "a.db"), "option")


RATE = "it must be a rate such as 60/minute, of at most 1000000 requests in a year, or off"
BAD: dict[str, tuple[str, str, str]] = {
    "a port that is no number": ("PORT", "http", "it must be a whole number from 0 to 65535"),
    "a port too large": ("PORT", "65536", "it must be a whole number from 0 to 65535"),
    "no workers": ("WORKERS", "0", "it must be a whole number from 1 to 64"),
    "a switch that is neither": ("LIMITS", "maybe", "it must be on or off"),
    "a durability that is neither": ("DURABILITY", "most", "it must be full or fast"),
    "a rate without a time": ("LIMIT_PER_KEY", "60/fortnight", RATE),
    "a rate of nothing": ("LIMIT_PER_KEY", "0/minute", RATE),
    "two rates": ("LIMIT_PER_ORGANIZATION", "1/second;9/minute", RATE),
    "too high a rate": ("LIMIT_PER_KEY", "1000001/minute", RATE),
    "an unknown tokenizer": ("TOKENIZER", "unicode62", "it must be an FTS5 tokenizer"),
    "counters without a place": ("LIMIT_STORAGE", "shared://counters", "it must be an address for the library limits"),
    "an unknown storage": ("LIMIT_STORAGE", "carrier-pigeon://", "it must be an address for the library limits"),
    "a limit with a unit": ("MAX_BODY_BYTES", "8 MiB", "it must be a whole number from 1"),
}


@pytest.mark.parametrize(("name", "value", "sentence"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_setting_that_does_not_parse_stops_every_command(
    struere_local: Run,
    config_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    name: str,
    value: str,
    sentence: str,
) -> None:
    if source == "file":
        config_file.write_text(f"{name} = {value!r}\n")
        where = f"{name} in {config_file}"
    else:
        monkeypatch.setenv(f"STRUERE_{name}", value)
        where = f"STRUERE_{name}"
    for command in (["config"], ["keys", "create", "--name", "a"], ["export"]):
        assert_refused(struere_local(*command), f"{where} is {value!r}: {sentence}")
    assert not (config_file.parent / "struere.db").exists()


@pytest.mark.parametrize("address", ["carrier-pigeon://me:hidden@host", "redis://me:hidden@host:x"])
def test_an_error_shows_no_password(struere_local: Run, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("STRUERE_LIMIT_STORAGE", address)
    refused = struere_local("config")
    assert_refused(refused, "STRUERE_LIMIT_STORAGE is ")
    assert "hidden" not in refused.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("PORT = ", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("import nothing_such", "ModuleNotFoundError"),
        ("raise SystemExit", "SystemExit"),
        ("raise ValueError('one\\ntwo')", "ValueError: one two"),
    ],
    ids=["no Python", "an exception", "an import of nothing", "an exit", "lines"],
)
def test_a_file_that_does_not_run_is_named(struere_local: Run, config_file: Path, text: str, sentence: str) -> None:
    config_file.write_text(text)
    assert_refused(struere_local("config"), f"{config_file} does not run: {sentence}")


def test_an_unknown_variable_is_told_and_changes_nothing(struere_local: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUERE_PROT", "9000")
    shown = struere_local("config")
    assert (shown.code, shown.stderr) == (0, "STRUERE_PROT is no setting and changes nothing; is it STRUERE_PORT?\n")


@pytest.mark.parametrize(
    ("name", "near"), [("PROT", "PORT"), ("STRUERE_PORT", "PORT"), ("LIMIT_PER_KEI", "LIMIT_PER_KEY")]
)
def test_an_unknown_name_in_the_file_is_told_and_changes_nothing(
    struere_local: Run, config_file: Path, name: str, near: str
) -> None:
    config_file.write_text(f"import os\nhelper = 1\n{name} = 9000\n")
    shown = struere_local("config")
    assert shown.stderr == f"{name} in {config_file} is no setting and changes nothing; is it {near}?\n"


def test_a_misspelled_option_is_wrong_usage(struere_local: Run) -> None:
    assert_misused(struere_local("config", "--prot", "1"), "No such option")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["confg"], "No such command 'confg'. Did you mean 'config'?"),
        (["keys", "creat"], "No such command 'creat'. Did you mean 'create'?"),
        (["nothing"], "No such command 'nothing'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_misspelled_command_is_told_what_was_meant(struere_local: Run, arguments: list[str], sentence: str) -> None:
    shown = struere_local(*arguments)
    assert shown.code == 2
    assert shown.stderr.startswith(f"Error: {sentence} See ")


@pytest.mark.parametrize("command", [[], ["keys"], ["types"]], ids=["struere-local", "keys", "types"])
def test_a_group_alone_shows_its_commands(struere_local: Run, command: list[str]) -> None:
    shown = struere_local(*command)
    assert shown.code == 2
    assert "Commands:\n" in shown.stderr


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_on_standard_output(struere_local: Run, flag: str) -> None:
    assert "Commands:\n" in struere_local(flag).stdout


def test_the_version_is_that_of_the_package(struere_local: Run) -> None:
    assert struere_local("--version").stdout.endswith(", version 0.1.0\n")
