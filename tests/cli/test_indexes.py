"""struere-local indexes and explain, types show, and what types apply does about indexes."""

import json
import re
from pathlib import Path

import pytest

from app.storage import filling

from .conftest import Run, assert_misused, assert_refused

FILE = "slug: customer\nname: Customer\nschema: {name: string, plan: string}\nsearchFields: [name]\n"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"


@pytest.fixture(autouse=True)
def customers(struere: Run) -> None:
    """Store 30 customers, of a type with indexes of two fields."""
    Path("customer.yaml").write_text(FILE + "indexes: [data.plan, address.city]\n")
    assert struere("types", "apply", ".") == (0, "+ customer\n", "")
    lines = [{"type": "customer", "data": {"plan": "pro" if number % 3 else "free"}} for number in range(30)]
    Path("customers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert struere("import", "customers.jsonl").code == 0


def test_a_type_is_shown_with_its_indexes(struere: Run) -> None:
    shown = struere("types", "show", "customer").stdout
    assert re.fullmatch(
        "Slug           customer\nName           Customer\nFields         name, plan\nSearch fields  name\n"
        "Entities       30\nIndexes        2\n\n"
        "FIELD         REASON    SINCE                      STATE  SIZE\n"
        f"address.city  declared  {TIME}  ready  4 KiB\nplan          declared  {TIME}  ready  4 KiB\n",
        shown,
    )
    as_json = struere("types", "show", "customer", "--json").json
    assert (as_json["slug"], as_json["entities"]) == ("customer", 30)
    assert [(index["field"], index["state"]) for index in as_json["indexes"]] == [
        ("address.city", "ready"),
        ("plan", "ready"),
    ]


def test_the_fields_of_json_schema_are_its_properties(struere: Run) -> None:
    schema = "{type: object, properties: {x: {type: string}}}"
    Path("customer.yaml").write_text(f"slug: customer\nname: Customer\nschema: {schema}\n")
    assert struere("types", "apply", ".").stdout == "~ customer\n"
    assert struere("types", "show", "customer").stdout.splitlines()[2:] == [
        "Fields         x",
        "Search fields  -",
        "Entities       30",
        "Indexes        -",
    ]


def test_a_dropped_index_is_listed_and_comes_back_with_the_next_apply(struere: Run) -> None:
    told = "The type's file declares it: the next types apply, or serve --project, makes it again.\n"
    assert struere("indexes", "drop", "customer", "plan") == (0, "Dropped the index of plan\n", told)
    listed = struere("indexes", "list").stdout
    assert re.fullmatch(
        f"TYPE      FIELD         REASON    SINCE                      STATE    SIZE\n"
        f"customer  address.city  declared  {TIME}  ready    4 KiB\n"
        f"customer  plan          declared  {TIME}  dropped  0 KiB\n",
        listed,
    )
    assert struere("types", "apply", ".").stdout == "~ customer\n"
    assert [index["state"] for index in struere("indexes", "list", "--json").json] == ["ready", "ready"]
    assert struere("types", "apply", ".").stdout == "= customer\n"


def test_applying_fills_an_index_and_tells_so(struere: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "FEW", 7)
    Path("customer.yaml").write_text(FILE + "indexes: [name]\n")
    assert struere("types", "apply", ".") == (0, "~ customer\n", "Indexing name of customer ...\n")
    assert [(index["field"], index["state"]) for index in struere("indexes", "list", "--json").json] == [
        ("name", "ready")
    ]
    assert struere("check").code == 0


def test_a_query_is_explained(struere: Run) -> None:
    explained = struere("explain", "customer", '{"plan": "free"}', "--limit", "3").stdout
    assert re.fullmatch(
        "Index    plan, since it is the only index that serves a condition\nRead     4\nMatched  3, and more follow\n"
        r"Time     \d+\.\d ms"
        r"\nSQL      SELECT .* FROM field_2 AS key CROSS JOIN entity .*WHERE value = 'free'.* LIMIT 4\n"
        r"Plan     SEARCH key USING PRIMARY KEY \(value=\? AND sequence>\?\)\n"
        r"         SEARCH entity USING INTEGER PRIMARY KEY \(rowid=\?\)\n"
        "Advice   No index would help: few entities are read in vain.\n",
        explained,
    )
    as_json = struere("explain", "customer", '{"x": 1}', "--status", "archived", "--json").json
    assert (as_json["field"], as_json["matched"], as_json["scanned"]) == (None, 0, 0)


EXPLAIN = {
    "no JSON": ("{", "FILTERS: Malformed JSON"),
    "no filters": ("[]", "FILTERS: filters must be an object"),
    "an unknown operator": ('{"a": {"$foo": 1}}', "FILTERS: Unknown filter operator: $foo"),
}


@pytest.mark.parametrize(("filters", "sentence"), EXPLAIN.values(), ids=EXPLAIN)
def test_what_cannot_be_asked_is_refused(struere: Run, filters: str, sentence: str) -> None:
    assert_refused(struere("explain", "customer", filters), sentence)


def test_what_is_not_there_is_refused(struere: Run) -> None:
    assert_refused(struere("explain", "planet", "{}"), "Entity type planet not found")
    assert_refused(struere("explain", "customer", "{}", "--cursor", "x"), "Invalid cursor")
    assert_refused(struere("types", "show", "planet"), "Entity type planet not found")
    assert_refused(struere("indexes", "drop", "customer", "x"), "Entity type customer has no index of x")
    assert_misused(struere("explain", "customer", "{}", "--limit", "0"), "--limit")


BAD = {
    "no list": ("plan", "indexes must be a list of field names"),
    "no names": ("[1]", "indexes must be a list of field names"),
    "an empty part": ("[a..b]", "indexes must be a list of field names"),
    "a dollar": ("[a.$b]", "indexes has a.$b, but no field name starts with $"),
    "the entity's own field": ("[status]", "write data.status to index the field of data"),
    "one twice": ("[plan, data.plan]", "indexes has plan twice"),
    "too many": ("[a, b, c, d, e, f, g, h, i]", "indexes must not have more than 8 fields"),
}


@pytest.mark.parametrize(("indexes", "sentence"), BAD.values(), ids=BAD)
def test_what_cannot_be_indexed_is_refused(struere: Run, indexes: str, sentence: str) -> None:
    Path("customer.yaml").write_text(f"{FILE}indexes: {indexes}\n")
    assert_refused(struere("types", "apply", "."), "customer.yaml", sentence)


@pytest.mark.parametrize("indexes", ["", "null", "[]"], ids=["nothing", "null", "none"])
def test_a_type_without_indexes_has_none(struere: Run, indexes: str) -> None:
    Path("customer.yaml").write_text(f"{FILE}indexes: {indexes}\n")
    assert struere("types", "apply", ".").stdout == "~ customer\n"
    assert struere("indexes", "list", "--json").json == []


def test_the_own_name_of_an_entity_can_be_indexed_as_a_field_of_data(struere: Run) -> None:
    Path("customer.yaml").write_text(f"{FILE}indexes: [data.status]\n")
    assert struere("types", "apply", ".").code == 0
    assert struere("indexes", "drop", "customer", "data.status").stdout == "Dropped the index of data.status\n"
