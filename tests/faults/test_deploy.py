"""The samples under deploy/ do what they are said to do."""

import configparser
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest
import requests

from app.config import SETTINGS_BY_NAME
from tests.faults.ports import answers, free_port
from tests.server import COMMAND, CUSTOMERS, PATIENCE, Server, end, environment, serve, until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NGINX = (DEPLOY / "nginx.conf").read_text()
UNIT = (DEPLOY / "struere-local.service").read_text()
PATH = "/v1/data/customer"


# nginx

needs_nginx = pytest.mark.skipif(
    not (shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") and shutil.which("openssl")),
    reason="there is no nginx, or no openssl to make its certificate",
)
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
SLOW_CLIENTS = 12  # of a server of 8 threads


class Proxy:
    """nginx before a server, and a client that trusts its certificate."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.server = server
        self.certificate = folder / "certificate.pem"
        self.port = free_port()
        self.plain_port = free_port()

    def request(self, method: str, path: str, timeout: float = PATIENCE, **options: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.server.key}"}
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.certificate)
            url = f"https://127.0.0.1:{self.port}{path}"
            return session.request(method, url, headers=headers, timeout=timeout, **options)  # type: ignore[arg-type]

    def connect(self) -> socket.socket:
        context = ssl.create_default_context(cafile=str(self.certificate))
        return context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), PATIENCE), server_hostname="127.0.0.1"
        )


@contextmanager
def proxy(folder: Path, server: Server, site: str = NGINX) -> Iterator[Proxy]:
    """Run nginx with a site, its addresses and its certificate replaced."""
    proxy = Proxy(folder, server)
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", folder / "key.pem", "-out", proxy.certificate]
    subprocess.run(["openssl", "req", *options, *files], check=True, capture_output=True)
    site = re.sub(r"(?m)^ *listen \[::\].*\n", "", site)
    for pattern, text in {
        r"listen 443": f"listen 127.0.0.1:{proxy.port}",
        r"listen 80": f"listen 127.0.0.1:{proxy.plain_port}",
        r"server 127\.0\.0\.1:8000": f"server 127.0.0.1:{server.address[1]}",
        r"ssl_certificate \S+": f"ssl_certificate {proxy.certificate};",
        r"ssl_certificate_key \S+": f"ssl_certificate_key {folder / 'key.pem'};",
    }.items():
        site, count = re.subn(pattern, text, site)
        assert count == 1, pattern
    (folder / "site.conf").write_text(site)
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    command = [
        shutil.which("nginx") or "/usr/sbin/nginx",
        "-p",
        str(folder),
        "-e",
        f"{folder}/error.log",
        "-c",
        str(main),
    ]
    with subprocess.Popen(command, text=True) as process:
        try:
            until(lambda: answers(proxy.port))
            yield proxy
        finally:
            end(process)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    with serve("--limits", "off", "--project", str(CUSTOMERS)) as server, proxy(folder, server) as running:
        yield running


def dribble(behind: Proxy) -> None:
    """Hold the others to being answered while many clients send half of a body, and these when they send the rest."""
    lines = (f"POST {PATH} HTTP/1.1", "Host: x", f"Authorization: Bearer {behind.server.key}", "Content-Length: 12")
    with ExitStack() as stack:
        clients = [stack.enter_context(behind.connect()) for _ in range(SLOW_CLIENTS)]
        for client in clients:
            client.sendall("\r\n".join([*lines, "", '{"data"']).encode())
        assert behind.request("GET", "/health", timeout=3).status_code == 200
        assert behind.request("GET", PATH, timeout=3).status_code == 200
        for client in clients:
            client.sendall(b": {}}")
        assert [client.recv(12) for client in clients] == [b"HTTP/1.1 201"] * SLOW_CLIENTS


@needs_nginx
def test_clients_that_dribble_keep_nobody_waiting_behind_nginx(behind: Proxy) -> None:
    dribble(behind)


@needs_nginx
def test_a_proxy_that_passes_on_what_has_not_come_is_caught(tmp_path: Path, behind: Proxy) -> None:
    site = NGINX.replace("proxy_request_buffering on", "proxy_request_buffering off")
    assert site != NGINX
    with proxy(tmp_path, behind.server, site) as running, pytest.raises(requests.Timeout):
        dribble(running)


@needs_nginx
def test_what_the_server_answers_comes_through_as_it_is(behind: Proxy) -> None:
    for method, path in (("GET", PATH), ("GET", f"{PATH}/k17"), ("POST", PATH), ("PUT", PATH), ("GET", "/nowhere")):
        here, there = behind.server.request(method, path), behind.request(method, path)
        assert (here.status_code, here.content) == (there.status_code, there.content)
        varying = {"Date", "Server", "Connection"}
        assert {k: v for k, v in here.headers.items() if k not in varying}.items() <= there.headers.items()


@needs_nginx
def test_what_nginx_answers_has_the_form_of_every_error(behind: Proxy, tmp_path: Path) -> None:
    large = behind.request("POST", PATH, data=b" " * (2**23 + 1))
    here = behind.server.request("POST", PATH, data=b" " * (2**23 + 1))
    assert (large.status_code, large.content) == (here.status_code, here.content)
    assert behind.request("POST", PATH, data=b" " * 2**23).json() == {"error": "data object is required"}
    with serve() as stopped, proxy(tmp_path, stopped) as running:
        stopped.stop()
        down = running.request("GET", PATH)
    assert (down.status_code, down.json()) == (500, {"error": "Internal error"})
    for headers in (large.headers, down.headers):
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Type"] == "application/json"


MALFORMED = {
    "no HTTP": (b"no HTTP\r\n\r\n", "The request is not well-formed HTTP/1.1"),
    "a header without a colon": (
        b"GET / HTTP/1.1\r\nHost: x\r\nX y\r\n\r\n",
        "The request is not well-formed HTTP/1.1",
    ),
    "a long path": (
        b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 10_000),
        "The request line and each header must not be longer than 8190 bytes",
    ),
    "a long header": (
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * 10_000),
        "The request line and each header must not be longer than 8190 bytes",
    ),
}


@needs_nginx
@pytest.mark.parametrize(("request_", "sentence"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_http_is_answered_behind_nginx_as_before_it(behind: Proxy, request_: bytes, sentence: str) -> None:
    for connection in (behind.connect(), socket.create_connection(behind.server.address, PATIENCE)):
        with connection, HTTPResponse(connection) as response:
            connection.sendall(request_)
            response.begin()
            assert (response.status, json.load(response)) == (400, {"error": sentence})
            assert response.headers.get_all("X-Content-Type-Options") == ["nosniff"]
            assert response.headers.get_all("Cache-Control") == ["no-store"]


@needs_nginx
def test_plain_http_is_sent_to_https(behind: Proxy) -> None:
    response = requests.get(
        f"http://127.0.0.1:{behind.plain_port}{PATH}?limit=1", allow_redirects=False, timeout=PATIENCE
    )
    assert response.status_code == 301
    assert response.headers["Location"] == f"https://127.0.0.1{PATH}?limit=1"


def test_nginx_takes_bodies_as_large_as_the_server() -> None:
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    assert int(megabytes) * 2**20 == int(str(SETTINGS_BY_NAME["MAX_BODY_BYTES"].default))


# systemd

EXPOSURE = 15  # of 100, where 0 is best, by systemd-analyze security


def directives() -> dict[str, list[str]]:
    """Return the values of the service's directives, in order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"(?m)^(\w+)=(.*)$", UNIT):
        found.setdefault(name, []).append(value)
    return found


@contextmanager
def running(command: list[str], folder: Path, variables: Mapping[str, str]) -> Iterator[int]:
    """Run a command as a sample does, with its data in a folder; give the port of what it serves."""
    port = free_port()
    own = {"STRUERE_DATABASE": str(folder / "struere.db"), "STRUERE_PORT": str(port), "STRUERE_HOST": "127.0.0.1"}
    program = COMMAND.parent / Path(command[0]).name
    with subprocess.Popen(
        [program, *command[1:]], cwd=folder, env=environment({**variables, **own}), text=True
    ) as process:
        try:
            until(lambda: answers(port))
            assert requests.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE).json()["status"] == "ok"
            yield port
        finally:
            end(process)
    assert process.returncode == 0


def variables(lines: list[str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines)


def test_the_service_runs_what_there_is(tmp_path: Path) -> None:
    service = directives()
    own = variables(service["Environment"])
    assert Path(own["STRUERE_DATABASE"]).parent == Path("/var/lib") / service["StateDirectory"][0]
    with running(shlex.split(service["ExecStart"][0]), tmp_path, own):
        assert (tmp_path / "struere.db").exists()


@pytest.mark.parametrize(("threads", "code"), [("8", 0), ("many", 1)])
def test_the_service_is_told_to_reload_only_settings_that_parse(tmp_path: Path, threads: str, code: int) -> None:
    check, reload = map(shlex.split, directives()["ExecReload"])
    own = environment({"STRUERE_THREADS": threads})
    command = [COMMAND.parent / Path(check[0]).name, *check[1:]]
    assert subprocess.run(command, cwd=tmp_path, env=own, capture_output=True).returncode == code
    assert reload == ["/bin/kill", "-HUP", "$MAINPID"]


def test_the_service_is_well_formed() -> None:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.read_string(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]
    assert all(
        value or name in ("capabilityboundingset", "ambientcapabilities") for name, value in parser["Service"].items()
    )


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_takes_the_service_and_finds_it_closed(tmp_path: Path) -> None:
    unit = tmp_path / "struere-local.service"
    unit.write_text(UNIT.replace("/opt/struere-local/bin", str(COMMAND.parent)))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", unit]
    judged = subprocess.run(command, capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout
    unit.write_text(unit.read_text().replace("NoNewPrivileges=yes", "NoNewPrivilege=yes"))
    misspelled = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert "NoNewPrivilege" in misspelled.stderr  # that a mistake would be seen


# Docker

DOCKERFILE = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
INSTRUCTIONS = [
    (line.split()[0], line.split(maxsplit=1)[1]) for line in DOCKERFILE.splitlines() if re.match("[A-Z]", line)
]
IN_THE_IMAGE = {"pip", "python", "gunicorn"}  # of Python, or installed by the file itself


def values(instruction: str) -> list[str]:
    return [value for name, value in INSTRUCTIONS if name == instruction]


def test_the_image_stands_on_one_version_of_python() -> None:
    (base,) = values("FROM")
    version = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-\w+", base)
    assert version
    (required,) = re.findall(r"python_requires = >=(\d+)\.(\d+)", (ROOT / "setup.cfg").read_text())
    assert tuple(map(int, version.groups())) >= tuple(map(int, required))


def test_the_image_runs_as_nobody_in_particular_with_its_data_in_a_volume() -> None:
    names = [name for name, _ in INSTRUCTIONS]
    (user,) = values("USER")
    assert user != "root"
    assert f"useradd --system --uid 10001 --home-dir /var/lib/struere --create-home {user}" in DOCKERFILE
    assert names.index("RUN") < names.index("USER") < names.index("CMD")
    assert values("VOLUME") == ["/var/lib/struere"]
    assert variables(shlex.split(values("ENV")[0]))["STRUERE_DATABASE"] == "/var/lib/struere/struere.db"


def test_the_image_is_made_of_what_there_is() -> None:
    for line in values("COPY"):
        *sources, _ = shlex.split(line)
        assert [source for source in sources if not (ROOT / source).exists()] == []
    commands = {part.split()[0] for line in values("RUN") for part in line.split("&&")}
    found = {each for each in commands if shutil.which(each, path=f"{COMMAND.parent}:{os.environ['PATH']}:/usr/sbin")}
    assert commands == found
    assert {json.loads(line)[0] for line in values("CMD")} <= IN_THE_IMAGE


def test_the_image_serves_and_its_health_is_seen(tmp_path: Path) -> None:
    (check,) = values("HEALTHCHECK")
    health = json.loads(check.partition("CMD ")[2])
    assert values("EXPOSE") == ["8000"]

    def is_healthy(port: int) -> bool:
        command = [COMMAND.parent / health[0], *(each.replace(":8000", f":{port}") for each in health[1:])]
        return subprocess.run(command, env=environment(), capture_output=True, timeout=PATIENCE).returncode == 0

    with running(json.loads(values("CMD")[0]), tmp_path, variables(shlex.split(values("ENV")[0]))) as port:
        assert is_healthy(port)
    assert not is_healthy(port)
