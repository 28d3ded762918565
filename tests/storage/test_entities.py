"""An entity's JSON text is the same whether Python or SQL writes it."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.storage.documents import encode
from app.storage.entities import Entity, json_sql

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)


@pytest.fixture(scope="module")
def connection() -> apsw.Connection:
    return apsw.Connection(":memory:")


@given(
    entity=st.builds(
        Entity,
        id=TEXT,
        type=TEXT,
        status=TEXT,
        data=st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)).map(encode),
        created_at=st.integers(0, 2**53),
        updated_at=st.integers(0, 2**53),
    )
)
def test_sql_writes_what_python_writes(connection: apsw.Connection, entity: Entity) -> None:
    row = "SELECT ?2 AS id, ?3 AS status, ?4 AS data, ?5 AS created_at, ?6 AS updated_at"
    values = (entity.type, entity.id, entity.status, entity.data, entity.created_at, entity.updated_at)
    written = connection.execute(f"SELECT CAST({json_sql('?1')} AS BLOB) FROM ({row}) AS entity", values).get
    assert written == entity.json
