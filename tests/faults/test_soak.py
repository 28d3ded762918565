"""The harness of make soak: a short soak holds, and a server that leaks or fails does not."""

from pathlib import Path

import pytest

from tests.exact.planted import plant
from tests.faults import soak
from tests.profiles import rounds

LEAKS = """
from struere_local.storage.repository import EntityRepository
kept = []
get = EntityRepository.get
def leak(self, entity_id):
    kept.append((open('/dev/null'), bytearray(100_000)))
    if len(kept) % 50 == 0:
        raise RuntimeError
    return get(self, entity_id)
EntityRepository.get = leak
"""


@pytest.fixture(autouse=True)
def few_entities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "ENTITIES", 500)


def broken(seconds: float, **options: Path) -> list[str]:
    """Return what does not hold in a soak of some seconds."""
    samples, work = soak.soak(seconds, rate=100, warm_up=4, every=1, seed=5, **options)
    assert len(samples) >= seconds
    assert sum(work.statuses.values()) > 50 * seconds
    assert set(work.statuses) >= {"200", "201"}
    return [what for what, _, _, holds in soak.findings(samples, work) if not holds]


def test_a_short_soak_holds() -> None:
    assert broken(rounds(ci=6, full=120)) == []


def test_a_server_that_leaks_and_fails_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "WAL_BYTES", 2**20)  # which every log reaches
    caught = broken(5, command=plant(tmp_path, LEAKS))
    assert caught == ["memory of a worker", "write-ahead log", "open files", "failed requests"]
