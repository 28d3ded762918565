"""No key, data or inside of the server in what it answers, logs or stores; no line of the log is a client's."""

import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.conftest import ROUTES, UNKNOWN_ID
from tests.exact.planted import plant
from tests.faults.ports import answers, free_port
from tests.server import COMMAND, CUSTOMERS, PATIENCE, Server, end, environment, run, serve, until

SECRET = "the customer's own data"
CUSTOMER = "/v1/data/customer"


def exchange(server: Server, request: str) -> bytes:
    """Send a request, a line for each header, and return all that comes back, but for the date."""
    with socket.create_connection(server.address, PATIENCE) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return re.sub(rb"(?m)^Date: .*\r\n", b"", answer)


def ask(server: Server, key: str, method: str = "GET", path: str = CUSTOMER, body: str = "") -> bytes:
    """Send a request with a key and return the answer."""
    return exchange(
        server, f"{method} {path} HTTP/1.1\nHost: x\nAuthorization: Bearer {key}\nContent-Length: {len(body)}\n\n{body}"
    )


# Keys, and what else is nobody's business

Commands = Sequence[tuple[str, ...]]
KEYS: Commands = (
    ("--permission", "chat"),
    ("--scope", '{"customer": {"plan": "pro"}}', "--expires", "30d"),
    ("--environment", "production"),
    ("--organization", "other"),
)
TELLING = (("keys", "list"), ("keys", "list", "--json"), ("config",), ("export",), ("backup", "instance/copy.db"))
INSIDES = ("Traceback", 'File "', "SELECT", "apsw", "no such table", "site-packages", "struere.db", "gunicorn/")


class Run(NamedTuple):
    """All that was seen of a server: its answers, what it and its commands printed, its files, and the keys."""

    keys: list[str]
    answers: list[bytes]
    printed: str
    stored: bytes


def wide_run(folder: Path, command: Path = COMMAND, options: Commands = KEYS, telling: Commands = TELLING) -> Run:
    """Use every route with every kind of key, in right and in wrong places, and look at everything."""
    with serve("--project", str(CUSTOMERS), folder=folder, command=command) as first:
        keys = [str(first.key)]  # shown, this once
    made = [run("keys", "create", "--name", "a key", *each, folder=folder, command=command) for each in options]
    keys += [each.stdout.strip() for each in made]
    rates = {"STRUERE_LIMIT_PER_KEY": "10000/minute", "STRUERE_LIMIT_PER_ORGANIZATION": "10000/minute"}
    with serve("--log-requests", "on", folder=folder, variables=rates, command=command) as server:
        answers = list(talk(server, keys))
        misplace(server, keys)
        printed = [server.errors()]
        assert SECRET not in printed[0]
        stored = files(folder)
    told = [run(*line, folder=folder) for line in telling]
    assert all(each.returncode == 0 for each in told)
    printed += [each.stdout + each.stderr for each in told]
    return Run(keys, answers, "".join(printed), b"".join([*stored, *files(folder)]))


def talk(server: Server, keys: list[str]) -> Iterator[bytes]:
    """Yield the answers of every route to every key, then those of a database that lacks a table."""
    created = server.request("POST", CUSTOMER, keys[0], json={"data": {"name": SECRET}}).json()
    body = f'{{"data": {{"name": "{SECRET}"}}, "query": "{SECRET}"}}'
    requests_ = [route.options(entity_id=each) for route in ROUTES.values() for each in (UNKNOWN_ID, created["id"])]
    for key in keys:
        yield from (ask(server, key, each["method"], each["path"], body) for each in requests_)
    with closing(sqlite3.connect(server.database, timeout=PATIENCE)) as connection:
        connection.execute("ALTER TABLE entity RENAME TO elsewhere")
        for key in keys[:3]:
            yield from (ask(server, key, each["method"], each["path"], body) for each in requests_)
        connection.execute("ALTER TABLE elsewhere RENAME TO entity")


def misplace(server: Server, keys: list[str]) -> None:
    """Put keys where they do not belong, as people do."""
    for key in keys:
        for path in (f"/{key}", f"/v1/data/{key}", f"{CUSTOMER}/{key}", f"{CUSTOMER}?key={key}", f"{CUSTOMER}?{key}"):
            ask(server, key, path=path)
        ask(server, f"{key}x")
        exchange(server, f"GET {CUSTOMER} HTTP/1.1\nHost: x\nAuthorization: Basic {key}\nX-Api-Key: {key}\n\n")
        exchange(server, f"GET {CUSTOMER} {key} HTTP/1.1\n\n")
        exchange(server, f"GET {CUSTOMER} HTTP/1.1\n{key}\n\n")


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "instance").iterdir())]


def assert_nothing_is_told(seen: Run) -> None:
    assert all(re.fullmatch("sk_(dev|prod|eval)_[a-z0-9]{40}", key) for key in seen.keys)
    for key in seen.keys:
        secret = key.rpartition("_")[2][4:]  # what people may see is the prefix and four characters
        assert secret not in seen.printed
        assert secret.encode() not in seen.stored
        assert not any(secret.encode() in answer for answer in seen.answers)
    assert not [inside for inside in INSIDES if any(inside.encode() in answer for answer in seen.answers)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return wide_run(tmp_path_factory.mktemp("wide"))


def test_no_answer_log_or_file_holds_a_key_and_no_answer_the_inside_of_the_server(seen: Run) -> None:
    assert_nothing_is_told(seen)


def test_the_run_was_wide(seen: Run) -> None:
    assert len(set(seen.keys)) == 1 + len(KEYS)
    statuses = {int(answer.split()[1]) for answer in seen.answers}
    assert statuses == {200, 201, 403, 404, 500}
    assert " 401\n" in seen.printed
    assert "no such table" in seen.printed  # what a fault is, the log tells
    assert SECRET.encode() in seen.stored


def test_every_answer_has_the_headers_of_safety(seen: Run, server: Server) -> None:
    malformed = [exchange(server, "no HTTP\n\n"), exchange(server, f"GET {CUSTOMER} HTTP/1.1\nNo colon\n\n")]
    for answer in seen.answers + malformed:
        head = answer.partition(b"\r\n\r\n")[0] + b"\r\n"
        assert head.count(b"\r\nX-Content-Type-Options: nosniff\r\n") == 1
        assert head.count(b"\r\nCache-Control: no-store\r\n") == 1


LEAKS = {
    "logs headers": """
import sys
from struere_local.api import auth
caller = auth._caller
auth._caller = lambda keys, header: (print(header, file=sys.stderr, flush=True), caller(keys, header))[1]
""",
    "stores keys": """
from struere_local.storage import api_keys
api_keys._hash = str
""",
    "tells faults": """
from struere_local.api import errors
errors._fault = lambda app, error, sentence: errors._error(f"{sentence}: {error.__cause__ or error}", 500)
""",
    "logs paths as they are": """
from struere_local import logs, serve
serve.clean = serve.clean_uri = logs.clean = str
""",
}


@pytest.mark.parametrize("bug", LEAKS.values(), ids=LEAKS)
def test_a_server_that_leaks_is_caught(tmp_path: Path, bug: str) -> None:
    with pytest.raises(AssertionError):
        assert_nothing_is_told(wide_run(tmp_path, plant(tmp_path, bug), KEYS[:1], ()))


# The log

LOGGED = re.compile(
    r"[A-Z]+ \S+ \d{3}"
    r"|\[[\d ,:-]+\] ERROR in errors: Internal error: GET '[^']*'"
    r"| {4}.*"
)
FORGED = "\n[2026-01-01 00:00:00,000] ERROR in errors: forged\r\x1b[2J\x9b2J\u2028forged"
FAULT = """
from struere_local.storage.repository import EntityRepository
def get(self, entity_id):
    raise RuntimeError(entity_id)
EntityRepository.get = get
"""


def forge(folder: Path, bug: str = "") -> None:
    """Make a fault tell what the client wrote, and hold the log to lines of its own."""
    with serve(
        *("--project", str(CUSTOMERS), "--log-requests", "on"), folder=folder, command=plant(folder, FAULT + bug)
    ) as server:
        server.told("Try: ")
        start = len(server.errors())
        assert server.request("GET", f"{CUSTOMER}/{requests.utils.quote(FORGED)}").status_code == 500
        for line in (f"GET {CUSTOMER}/\x1b[2J HTTP/1.1", f"GET {CUSTOMER}\rforged HTTP/1.1", "F\x1bRGED / HTTP/1.1"):
            assert b" 400 " in exchange(server, f"{line}\nX: \x1b[2J\n\n")
        assert b" 200 " in exchange(server, "GET /health HTTP/1.1\nX-Forged: \x9b2J\n\n")
        until(lambda: "GET /health 200\n" in server.errors())
        log = server.errors()[start:]
    assert "RuntimeError" in log
    assert [line for line in log.removesuffix("\n").split("\n") if not LOGGED.fullmatch(line)] == []
    assert all(line.isprintable() for line in log.split("\n"))


def test_no_request_forges_a_line_of_the_log(tmp_path: Path) -> None:
    forge(tmp_path)


def test_a_log_that_takes_texts_as_they_are_is_caught(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Traceback"):
        forge(
            tmp_path,
            "import logging\nfrom struere_local import logs\nlogs.Formatter.format = logging.Formatter.format\n",
        )


# Other tenants


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tenants")
    with serve("--project", str(CUSTOMERS), "--limits", "off", folder=folder) as server:
        yield server


@pytest.fixture(scope="module")
def stranger(server: Server) -> str:
    """A key of another organization with the same types, and one more."""
    folder = server.database.parents[1]
    types = shutil.copytree(CUSTOMERS, folder / "others")
    (types / "entity-types" / "patient.yaml").write_text("{slug: patient, name: Patient, schema: {}}")
    assert run("types", "apply", "--organization", "other", str(types), folder=folder).returncode == 0
    return run("keys", "create", "--organization", "other", "--name", "a key", folder=folder).stdout.strip()


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("deleted", [False, True], ids=["live", "deleted"])
def test_what_is_anothers_answers_byte_by_byte_as_what_does_not_exist(
    server: Server, stranger: str, method: str, deleted: bool
) -> None:
    path = f"{CUSTOMER}/{server.request('POST', CUSTOMER, stranger, json={'data': {}}).json()['id']}"
    if deleted:
        assert server.request("DELETE", path, stranger).status_code == 200
    body = '{"data": {"name": "Mine"}}'
    theirs = ask(server, str(server.key), method, path, body)
    nobodys = ask(server, str(server.key), method, f"{CUSTOMER}/{UNKNOWN_ID}", body)
    assert theirs == nobodys
    assert theirs.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("path", ["", "/query", "/search", f"/{UNKNOWN_ID}"])
def test_so_does_anothers_type(server: Server, stranger: str, path: str) -> None:
    method = "POST" if path in ("/query", "/search") else "GET"
    theirs = ask(server, str(server.key), method, f"/v1/data/patient{path}", '{"query": "x"}')
    nobodys = ask(server, str(server.key), method, f"/v1/data/nothing{path}", '{"query": "x"}')
    assert theirs == nobodys.replace(b"nothing", b"patient")
    assert theirs.startswith(b"HTTP/1.1 404 ")
    assert ask(server, stranger, "GET", "/v1/data/patient").startswith(b"HTTP/1.1 200 ")


def test_every_wrong_key_answers_byte_by_byte_the_same(server: Server) -> None:
    (key,) = (str(server.key),)
    answers = {ask(server, wrong) for wrong in ("", "x", key[:-1], f"{key}a", key.upper(), "sk_dev_" + 40 * "a", "é")}
    assert len(answers) == 1
    assert answers.pop().startswith(b"HTTP/1.1 401 ")


# The address


@contextmanager
def gunicorn(folder: Path, host: str) -> Iterator[subprocess.Popen[str]]:
    """Run gunicorn with the settings of this program, until it answers."""
    port = free_port()
    command = [COMMAND.parent / "gunicorn", "-c", "python:struere_local.gunicorn_conf", "struere_local:create_app()"]
    variables = {"STRUERE_HOST": host, "STRUERE_PORT": str(port)}
    with subprocess.Popen(
        command, cwd=folder, env=environment(variables), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until(lambda: answers(port) and requests.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE).ok)
            yield process
        finally:
            end(process)


WARNING = "Other machines can reach this address"


def test_only_this_machine_reaches_a_server_unless_told_otherwise(server: Server) -> None:
    assert server.announced["url"].startswith("http://127.0.0.1:")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", server.address[1]), PATIENCE)  # a server on every address answers here
    assert WARNING not in server.errors()


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("localhost", False), ("127.0.0.2", False)])
def test_a_server_that_others_reach_warns_at_the_start(host: str, warned: bool) -> None:
    with serve("--host", host) as server:
        server.told("Development key: ")
        assert (WARNING in server.errors()) == warned


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_so_does_gunicorn(tmp_path: Path, host: str, warned: bool) -> None:
    with gunicorn(tmp_path, host) as process:
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE)
    assert (WARNING in errors) == warned
    assert process.returncode == 0


def test_the_files_are_for_their_owner_alone(server: Server) -> None:
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in server.database.parent.iterdir()}
    assert {name: mode for name, mode in modes.items() if name.startswith("struere.db") and mode != "0o600"} == {}
