"""SECURITY.md against the repository: every test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text()

# https://owasp.org/API-Security/editions/2023/en/0x11-t10/
RISKS = [
    "API1:2023 Broken Object Level Authorization",
    "API2:2023 Broken Authentication",
    "API3:2023 Broken Object Property Level Authorization",
    "API4:2023 Unrestricted Resource Consumption",
    "API5:2023 Broken Function Level Authorization",
    "API6:2023 Unrestricted Access to Sensitive Business Flows",
    "API7:2023 Server Side Request Forgery",
    "API8:2023 Security Misconfiguration",
    "API9:2023 Improper Inventory Management",
    "API10:2023 Unsafe Consumption of APIs",
]
ROWS = dict(re.findall(r"^\| (API\S+ [^|]+?) \|[^|]+\| ([^|]+) \|$", PAGE, re.MULTILINE))
NAMED = sorted(set(re.findall(r"`(tests/[^`:]+)::(\w+)`", PAGE)))

CLIENTS = {"urllib.request", "http.client", "requests", "urllib3", "httpx", "aiohttp", "smtplib", "ftplib", "xmlrpc"}


def test_every_risk_has_a_line_with_a_test() -> None:
    assert list(ROWS) == RISKS
    assert all(
        re.fullmatch(r"`tests/\S+\.py::test_\w+`(, `tests/\S+\.py::test_\w+`)*", tests) for tests in ROWS.values()
    )


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_bytes())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_program_calls_no_other_server() -> None:
    for path in sorted((ROOT / "app").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
        modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        called = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        assert not modules & CLIENTS, path
        assert "socket" not in modules or not called & {"create_connection", "connect", "connect_ex"}, path
