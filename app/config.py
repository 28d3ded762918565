"""Settings: command-line options, then STRUERE_* variables, then instance/config.py, then defaults.

Every value is checked at the start: one that does not parse raises SettingError.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import limits
from limits.storage import MovingWindowSupport, storage_from_string

from .storage.database import SYNCHRONOUS
from .storage.rate_counters import SharedStorage
from .storage.search_index import words

PREFIX = "STRUERE_"
MAXIMUM_RATE = 1_000_000  # requests; each that counts has 8 bytes in the file that counts them
LONGEST_WINDOW = 366 * 86_400  # seconds
# A start acts on them.
FIXED = ("DATABASE", "ORGANIZATION", "HOST", "PORT", "PROJECT", "KEY", "EPHEMERAL", "DURABILITY")
SWITCHES = {word: word in ("on", "yes", "true", "1") for word in ("on", "off", "yes", "no", "true", "false", "1", "0")}


class SettingError(ValueError):
    """A setting that does not parse, with a sentence that names it."""


class Setting(NamedTuple):
    """A setting: its name, its default as people write it, how to parse it, and what it is for."""

    name: str
    default: str | None
    parse: Callable[[str], Any]
    help: str
    metavar: str = "TEXT"
    secret: bool = False


class Settings(dict[str, Any]):
    """Parsed settings by name; `sources` tells where each comes from."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: dict[str, str] = {}

    def with_options(self, options: Mapping[str, Any]) -> "Settings":
        """Return these settings with options before them."""
        settings = Settings()
        settings.update(self)
        settings.sources = self.sources | dict.fromkeys(options, "option")
        settings.update({name: _parse(SETTINGS_BY_NAME[name], value, "option") for name, value in options.items()})
        return settings


def load(overrides: Mapping[str, Any] | None = None, instance: Path | None = None) -> Settings:
    """Return the settings that hold: overrides, environment, the instance folder's config.py, defaults."""
    instance = instance or Path.cwd() / "instance"
    layers = [
        ("option", {name: value for name, value in (overrides or {}).items() if value is not None}),
        ("environment", _environment()),
        (str(instance / "config.py"), _config_file(instance / "config.py")),
        ("default", {setting.name: setting.default for setting in SETTINGS} | {"DATABASE": instance / "struere.db"}),
    ]
    settings = Settings()
    for setting in SETTINGS:
        source, value = next((source, layer[setting.name]) for source, layer in layers if setting.name in layer)
        settings[setting.name] = None if value is None else _parse(setting, value, source)
        settings.sources[setting.name] = source
    return settings


def load_again(settings: Settings) -> tuple[Settings, list[str]]:
    """Return the settings that hold now for a server that was started with others, and which would after a restart."""
    again = load({name: settings[name] for name, source in settings.sources.items() if source == "option"})
    fixed = [name for name in FIXED if again[name] != settings[name]]
    again.update({name: settings[name] for name in FIXED})
    return again, fixed


def shown(setting: Setting, value: Any) -> str:
    """Return a value as people may see it: secrets masked."""
    if value is None:
        return ""
    if setting.secret:
        return _masked(str(value))
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def unknown_variables() -> list[str]:
    """Return a sentence about each STRUERE_* variable, and each in instance/config.py, that is no setting."""
    path = Path.cwd() / "instance" / "config.py"
    in_file = {name for name in _config_file(path) if name.isupper()}
    in_environment = {name for name in os.environ if name.startswith(PREFIX)}
    return [
        *_strangers(in_environment, [PREFIX + name for name in SETTINGS_BY_NAME], ""),
        *_strangers(in_file, list(SETTINGS_BY_NAME), f" in {path}"),
    ]


def _strangers(names: set[str], known: list[str], where: str) -> Iterator[str]:
    for name in sorted(names - set(known)):
        near = difflib.get_close_matches(name.removeprefix(PREFIX) if where else name, known, 1)
        yield f"{name}{where} is no setting and changes nothing{f'; is it {near[0]}?' if near else '.'}"


def rate(text: str) -> str:
    """Return a rate in the notation of `limits`, or off; raise ValueError."""
    if text.lower() == "off":
        return "off"
    written = f"{text}/minute" if text.isdecimal() else text
    try:
        items = limits.parse_many(written)
    except ValueError:
        items = []
    if len(items) != 1 or not 1 <= items[0].amount <= MAXIMUM_RATE or not 1 <= items[0].get_expiry() <= LONGEST_WINDOW:
        raise ValueError(f"it must be a rate such as 60/minute, of at most {MAXIMUM_RATE} requests in a year, or off")
    return written


def _environment() -> dict[str, str]:
    variables = {setting.name: os.environ.get(PREFIX + setting.name) for setting in SETTINGS}
    return {name: value for name, value in variables.items() if value}


def _config_file(path: Path) -> dict[str, Any]:
    """Run a Python file, as Flask's config.from_pyfile does, and return its variables."""
    if not path.is_file():
        return {}
    variables: dict[str, Any] = {}
    try:
        exec(compile(path.read_bytes(), path, "exec"), variables)
    except (Exception, SystemExit) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")
        raise SettingError(f"{path} does not run: {said}") from error
    return {name: value for name, value in variables.items() if value is not None}


def _parse(setting: Setting, value: Any, source: str) -> Any:
    text = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
    try:
        return setting.parse(text)
    except ValueError as error:
        places = {"option": f"--{setting.name.lower().replace('_', '-')}", "environment": f"{PREFIX}{setting.name}"}
        where = places.get(source, f"{setting.name} in {source}")
        raise SettingError(f"{where} is {shown(setting, text)!r}: {error}") from None


def _masked(text: str) -> str:
    """Mask a key but for its prefix, or what stands before the host of an address."""
    return re.sub("//.*@", "//…@", text) if "://" in text else text[:7] + "…"


def _whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("-?[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"it must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    try:
        return SWITCHES[text.lower()]
    except KeyError:
        raise ValueError("it must be on or off") from None


def _durability(text: str) -> str:
    if text not in SYNCHRONOUS:
        raise ValueError("it must be full or fast")
    return text


def _storage(text: str) -> str:
    if text in ("memory://", f"{SharedStorage.STORAGE_SCHEME[0]}://"):
        return text
    try:
        if not isinstance(storage_from_string(text), MovingWindowSupport):
            raise limits.errors.ConfigurationError
    except limits.errors.ConfigurationError:
        # The library's own message repeats the address, password and all.
        raise ValueError(
            "it must be an address for the library limits: shared://, memory://, or redis:// with the package redis"
        ) from None
    return text


def _tokenizer(text: str) -> str:
    connection = apsw.Connection(":memory:")
    try:
        quoted = text.replace("'", "''")
        connection.execute(f"CREATE VIRTUAL TABLE probe USING fts5(text, tokenize = '{quoted}')")
        words(connection, text, "probe")
    except (apsw.Error, ValueError) as error:
        raise ValueError(f"it must be an FTS5 tokenizer ({error})") from None
    return text


def _slug(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        raise ValueError("it must be 1 to 64 letters, digits, - or _")
    return text


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except RuntimeError as error:
        raise ValueError(f"it must be a path ({error})") from None


SETTINGS = (
    Setting("DATABASE", None, _path, "The SQLite file.", "FILE"),
    Setting("ORGANIZATION", "local", _slug, "The organization that a command works on; made on first use.", "SLUG"),
    Setting("HOST", "127.0.0.1", str, "Address to listen on.", "ADDRESS"),
    Setting("PORT", "8000", _whole(0, 65535), "Port to listen on; 0 takes any free one.", "NUMBER"),
    Setting("WORKERS", "1", _whole(1, 64), "Worker processes.", "NUMBER"),
    Setting("THREADS", "8", _whole(1, 256), "Threads of each worker.", "NUMBER"),
    Setting("PROJECT", None, _path, "Folder with entity-types/ and entities/ to apply at the start.", "FOLDER"),
    Setting("KEY", None, str, "Development API key to use instead of a random one.", "KEY", secret=True),
    Setting("EPHEMERAL", "off", _switch, "Store in a temporary folder that is gone at the end."),
    Setting("DURABILITY", "full", _durability, "What a power cut spares: full, every answered write.", "full|fast"),
    Setting("LIMITS", "on", _switch, "Whether requests are limited at all.", "on|off"),
    Setting("LOG_REQUESTS", "off", _switch, "Whether each request is a line on standard error.", "on|off"),
    Setting("LIMIT_PER_KEY", "60/minute", rate, "Requests of one API key; off for no limit."),
    Setting("LIMIT_PER_ORGANIZATION", "200/minute", rate, "Requests of one organization; off for no limit."),
    Setting("LIMIT_STORAGE", "shared://", _storage, "Where requests are counted, as a `limits` address.", secret=True),
    Setting("TOKENIZER", "unicode61 remove_diacritics 2", _tokenizer, "FTS5 tokenizer of the search."),
    Setting("BUSY_TIMEOUT", "10000", _whole(0), "Milliseconds that a write waits for its turn."),
    Setting("STATEMENT_TIMEOUT", "2000", _whole(0), "Milliseconds that a read may take; 0 for no bound."),
    Setting("AUTO_INDEXES", "on", _switch, "Whether fields whose filters are slow get an index.", "on|off"),
    Setting("MAX_BODY_BYTES", str(8 * 2**20), _whole(1), "Largest request body."),
    Setting("MAX_PAGE_BYTES", str(8 * 2**20), _whole(1), "Largest page, in bytes of its entities' data."),
    Setting("MAX_DATA_BYTES", str(2**20), _whole(2), "Largest data of an entity, as JSON."),
    Setting("MAX_DEPTH", "16", _whole(1, 200), "Deepest nesting of data; data itself is level 1."),
    Setting("MAX_FIELDS", "1024", _whole(1), "Most fields of an object in data."),
    Setting("MAX_ELEMENTS", "8192", _whole(1), "Most elements of an array in data."),
    Setting("MAX_NAME_LENGTH", "1024", _whole(1), "Longest field name in data, in characters."),
)
SETTINGS_BY_NAME = {setting.name: setting for setting in SETTINGS}
