"""GET /health"""

import pytest
from flask.testing import FlaskClient

from tests.conftest import START, ReplacedOutside


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}], ids=["no key", "a wrong key"])
def test_health_needs_no_key(client: FlaskClient, outside: ReplacedOutside, headers: dict[str, str]) -> None:
    outside.time += 1
    response = client.get("/health", headers=headers)
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.get_json() == {"status": "ok", "timestamp": START + 1}
