"""The specification's examples, run as they are against a server.

The files in specification/ hold them word for word; line indentation is restored. Host, key and ids are filled in. The
TypeScript ones run as JavaScript: node 20 knows no types, and the one annotation that they have, `: any`, is left out.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server import CUSTOMERS, PATIENCE, Server, environment, run, serve

EXAMPLES = Path(__file__).parent / "specification"
RUN_BY = {
    ".sh": ("bash", "-c"),
    ".py": (sys.executable, "-c"),
    ".ts": ("node", "--input-type=module", "-e"),
}
FIRST_PAGE = [{"name": f"Customer {number}"} for number in range(10)]
JANE_DOE = {"name": "Jane Doe", "email": "jane@example.com", "plan": "pro"}

curl_and_python = pytest.mark.parametrize("language", ["sh", "py"], ids=["curl", "python"])
curl_and_typescript = pytest.mark.parametrize("language", ["sh", "ts"], ids=["curl", "typescript"])
curl_python_and_typescript = pytest.mark.parametrize(
    "language", ["sh", "py", "ts"], ids=["curl", "python", "typescript"]
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose one entity type is that of the specification."""
    project = tmp_path_factory.mktemp("project")
    (project / "entity-types").mkdir()
    [definition] = documented("list_entity_types.response")["data"]
    (project / "entity-types" / "customer.json").write_text(json.dumps(definition))
    with serve("--limits", "off", "--project", str(project)) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """The server without any customer."""
    for customer in customers(running):
        running.request("DELETE", f"/v1/data/customer/{customer['id']}")
    return running


def test_listing_the_entity_types_with_curl_prints_the_documented_answer(server: Server) -> None:
    assert printed("list_entity_types.sh", server) == documented("list_entity_types.response")


def test_listing_the_entity_types_with_python_prints_slugs_and_names(server: Server) -> None:
    assert printed("list_entity_types.py", server) == "customer: Customer\n"


def test_listing_with_curl_prints_the_first_page_and_its_cursor_the_second(server: Server) -> None:
    for data in (*FIRST_PAGE, JANE_DOE):
        server.create(data)
    first = printed("list_entities.sh", server)
    assert [customer["data"] for customer in first["data"]] == FIRST_PAGE
    assert first["hasMore"] is True
    second = printed("list_entities_next_page.sh", server, entity_id=first["cursor"])
    assert [customer["data"] for customer in second["data"]] == [JANE_DOE]
    assert (second["cursor"], second["hasMore"]) == (None, False)


def test_listing_with_python_walks_over_all_pages(server: Server) -> None:
    for number in range(51):
        server.create({"number": number})
    assert printed("list_entities.py", server) == "Total: 51\n"


@curl_and_typescript
def test_getting_prints_the_customer(server: Server, language: str) -> None:
    jane = server.create(JANE_DOE)
    output = printed(f"get_entity.{language}", server, entity_id=jane["id"])
    assert output == {"sh": jane, "ts": "Jane Doe\n"}[language]


@curl_python_and_typescript
def test_creating_stores_the_customer_and_prints_it_or_its_id(server: Server, language: str) -> None:
    output = printed(f"create_entity.{language}", server)
    [created] = customers(server)
    assert (created["data"], created["status"]) == (JANE_DOE, "active")
    said = f"Created: {created['id']}\n"
    assert output == {"sh": created, "py": said, "ts": said}[language]


@curl_and_python
def test_querying_prints_the_customers_that_match(server: Server, language: str) -> None:
    for name, plan, age in [("Ann", "pro", 18), ("Bob", "pro", 17), ("Cid", "free", 40), ("Dora", "pro", 40)]:
        server.create({"name": name, "plan": plan, "age": age})
    server.create({"name": "Eve", "plan": "pro"})
    assert names(printed(f"query_entities.{language}", server)) == ["Ann", "Dora"]


@curl_and_typescript
def test_searching_prints_the_customers_found(server: Server, language: str) -> None:
    server.create(JANE_DOE)
    server.create({"name": "Joe", "email": "joe@example.com"})
    assert names(printed(f"search_entities.{language}", server)) == ["Jane Doe"]


@curl_and_python
def test_updating_merges_the_plan_and_prints_the_customer_or_its_plan(server: Server, language: str) -> None:
    jane = server.create(JANE_DOE)
    output = printed(f"update_entity.{language}", server, entity_id=jane["id"])
    [updated] = customers(server)
    assert updated == jane | {"data": JANE_DOE | {"plan": "enterprise"}, "updatedAt": updated["updatedAt"]}
    assert output == {"sh": updated, "py": "Updated plan: enterprise\n"}[language]


@curl_and_typescript
def test_deleting_prints_success_and_the_customer_is_gone(server: Server, language: str) -> None:
    jane = server.create(JANE_DOE)
    output = printed(f"delete_entity.{language}", server, entity_id=jane["id"])
    assert output == {"sh": {"success": True}, "ts": "true\n"}[language]
    assert customers(server) == []
    gone = server.request("GET", f"/v1/data/customer/{jane['id']}")
    assert (gone.status_code, gone.json()) == (404, {"error": "Entity has been deleted"})


def test_a_page_has_the_documented_body(server: Server) -> None:
    jane = server.create({"name": "Jane", "email": "jane@co.com"})
    server.create(JANE_DOE)
    assert_documented("list_entities.response", server.get("/v1/data/customer?limit=1"))
    assert_documented("get_entity.response", server.get(f"/v1/data/customer/{jane['id']}"))


def test_the_documented_body_of_a_create_gets_the_documented_answer(server: Server) -> None:
    response = server.request("POST", "/v1/data/customer", json=documented("create_entity.request"))
    assert response.status_code == 201
    assert_documented("create_entity.response", response.json())


def test_the_documented_body_of_an_update_gets_the_documented_answer(server: Server) -> None:
    jane = server.create(JANE_DOE, status="trial")
    path = f"/v1/data/customer/{jane['id']}"
    response = server.request("PATCH", path, json=documented("update_entity.request"))
    assert response.status_code == 200
    assert_documented("update_entity.response", response.json())
    assert_documented("delete_entity.response", server.request("DELETE", path).json())


def test_the_documented_body_of_a_query_finds_what_all_of_it_describes(server: Server) -> None:
    before = server.create({"plan": "pro", "age": 18})
    for data in ({"plan": "free", "age": 18}, {"plan": "pro", "age": 17}, {"plan": "pro", "age": 20, "status": "lost"}):
        server.create(data)
    server.create({"plan": "pro", "age": 18}, status="trial")
    adult, trial = {"plan": "pro", "age": 19}, {"plan": "pro", "age": 20, "status": "trial"}
    found = [server.create(data) for data in (adult, trial)]
    body = {**documented("query_entities.request"), "cursor": before["id"]}
    response = server.request("POST", "/v1/data/customer/query", json=body)
    assert response.json() == {"data": found, "cursor": None, "hasMore": False}


def test_the_documented_body_of_a_search_gets_the_documented_answer_in_a_page(server: Server) -> None:
    server.create({"name": "Jane Doe", "email": "jane@example.com"})
    answer = server.request("POST", "/v1/data/customer/search", json=documented("search_entities.request")).json()
    assert (answer.pop("cursor"), answer.pop("hasMore")) == (None, False)
    assert_documented("search_entities.response", answer)


@pytest.fixture(scope="module")
def limited() -> Iterator[Server]:
    """A server that limits requests as it does by default."""
    with serve("--project", str(CUSTOMERS)) as server:
        yield server


@pytest.fixture(scope="module")
def keys(limited: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """A key for each status: unknown, without the permission, of an environment without types, and used up."""
    folder = tmp_path_factory.mktemp("keys")

    def key(options: list[str]) -> str:
        database = str(limited.database)
        return run("keys", "create", "--database", database, "--name", "a key", *options, folder=folder).stdout.strip()

    with ThreadPoolExecutor() as pool:
        made = pool.map(key, [["--permission", "chat"], ["--environment", "production"], []])
    found = dict(zip([403, 404, 429], made, strict=True))
    for _ in range(60):
        limited.get("/health")
        limited.get("/v1/entity-types", found[429])
    return {**found, 200: str(limited.key), 401: "sk_dev_abc123"}


SENTENCES = {
    401: "Unauthorized",
    403: "API key does not have data permission",
    404: "Entity type customer not found",
    429: "Rate limit exceeded",
}


@pytest.mark.parametrize("status", SENTENCES)
def test_an_error_has_the_documented_status_and_body(limited: Server, keys: dict[int, str], status: int) -> None:
    response = limited.request("GET", "/v1/data/customer", keys[status])
    answer = response.json()
    assert response.status_code == status
    assert answer["error"] == SENTENCES[status]
    if status == 429:
        assert_documented("rate_limited.response", answer)
        assert 1 <= int(response.headers["Retry-After"]) <= 60
    else:
        assert list(answer) == ["error"]


PYTHON = {401: "Invalid API key", 403: "API key lacks data permission", 404: f"Error: {SENTENCES[404]}"}
TYPESCRIPT = {401: "Invalid API key", 403: "Missing data permission", 404: "Not found"}


@pytest.mark.parametrize("status", PYTHON)
def test_python_that_handles_errors_tells_what_is_wrong(limited: Server, keys: dict[int, str], status: int) -> None:
    ended = run_example("handle_errors.py", limited, keys[status])
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (1, f"Exception: {PYTHON[status]}")


def test_python_that_handles_errors_waits_as_long_as_a_refused_request_is_told(
    limited: Server, keys: dict[int, str]
) -> None:
    """Its time.sleep prints."""
    ended = run_example("handle_errors.py", limited, keys[429], before="import time; time.sleep = print\n")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert 1 <= int(ended.stdout) <= 60


@pytest.mark.parametrize("status", TYPESCRIPT)
def test_typescript_that_handles_errors_tells_what_is_wrong(limited: Server, keys: dict[int, str], status: int) -> None:
    ended = run_example("handle_errors.ts", limited, keys[status])
    assert ended.returncode == 1
    assert f"Error: {TYPESCRIPT[status]}\n" in ended.stderr


def test_typescript_that_handles_errors_tells_how_long_to_wait(limited: Server, keys: dict[int, str]) -> None:
    ended = run_example("handle_errors.ts", limited, keys[429])
    assert ended.returncode == 1
    seconds = ended.stderr.partition("Error: Rate limited, retry in ")[2].partition("s\n")[0]
    assert 1 <= int(seconds) <= 60


@pytest.mark.parametrize("language", ["py", "ts"], ids=["python", "typescript"])
def test_code_that_handles_errors_is_content_without_one(limited: Server, keys: dict[int, str], language: str) -> None:
    ended = run_example(f"handle_errors.{language}", limited, keys[200])
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def run_example(
    name: str, server: Server, key: str | None = None, entity_id: str = "", before: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run an example with the host, key and id filled in."""
    program = RUN_BY[Path(name).suffix]
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} runs this example, and is not installed")
    text = (EXAMPLES / name).read_text().replace(": any)", ")")
    filled_in = {
        "https://your-deployment.convex.site": server.url,
        "sk_dev_abc123": key or server.key or "",
        "k17abc...": entity_id,
        "k17xyz...": entity_id,
    }
    for placeholder, value in filled_in.items():
        text = text.replace(placeholder, value)
    return subprocess.run(
        [*program, before + text],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def printed(name: str, server: Server, entity_id: str = "") -> Any:
    """Return what an example prints: JSON with curl, else text."""
    ended = run_example(name, server, entity_id=entity_id)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout) if name.endswith(".sh") else ended.stdout


def names(output: Any) -> list[str]:
    """Return the customers' names in what an example prints."""
    if isinstance(output, str):
        return output.splitlines()
    return [customer["data"]["name"] for customer in output["data"]]


def customers(server: Server) -> list[dict[str, Any]]:
    """Return all customers."""
    page = server.get("/v1/data/customer?limit=100")
    assert not page["hasMore"]
    entities: list[dict[str, Any]] = page["data"]
    return entities


def documented(name: str) -> Any:
    """Return a body that the specification shows."""
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def assert_documented(name: str, answer: Any) -> None:
    """Hold an answer to a documented one: same fields in the same order, same values, ids and times aside."""
    assert masked(answer) == masked(documented(name))


def masked(value: Any, name: str = "") -> Any:
    """Return a value with its ids and times replaced by their kinds, objects as lists of their fields."""
    if isinstance(value, dict):
        return [(key, masked(item, key)) for key, item in value.items()]
    if isinstance(value, list):
        return [masked(item) for item in value]
    return type(value) if name in ("id", "cursor", "createdAt", "updatedAt", "retryAt") else value
