"""An update is the shallow merge that the reference makes, order of fields and types of numbers included."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.storage.documents import Document
from tests import reference
from tests.conftest import Key
from tests.exact.strategies import documents
from tests.profiles import examples


def check(owner: Key, old: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    """Create an entity, change it again and again, and compare what is answered and what is stored."""
    entity = owner.create(old)
    path = f"/v1/data/customer/{entity['id']}"
    for change in changes:
        old = reference.merge(old, change)
        answered = owner.patch(path, {"data": change}).json
        for data in (answered["data"], owner.get(path).json["data"]):
            assert json.dumps(data) == json.dumps(old), change


@examples(ci=200, full=5_000)
@given(data=st.data(), old=documents)
def test_updates_merge_as_the_reference_does(owner: Key, data: st.DataObject, old: dict[str, Any]) -> None:
    known = st.dictionaries(
        st.sampled_from([*old, "a", "name"]), st.sampled_from([*old.values(), None, {}]), max_size=3
    )
    check(owner, old, data.draw(st.lists(documents | known, min_size=1, max_size=4)))


def patched(old: Any, new: Any) -> Any:
    """Merge as json_patch does (RFC 7396): into nested objects, and null removes."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    merged = {**old, **{name: patched(old.get(name), member) for name, member in new.items()}}
    return {name: member for name, member in merged.items() if name not in new or new[name] is not None}


BUGS = {
    "json_patch": patched,
    "new fields first": lambda old, new: {**new, **{name: old[name] for name in old if name not in new}},
    "the change alone": lambda _, new: new,
    "missing becomes null": lambda old, new: {**old, **new, **dict.fromkeys(set(old) - set(new))},
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
def test_a_planted_bug_is_caught(owner: Key, monkeypatch: pytest.MonkeyPatch, bug: Any) -> None:
    example: tuple[Any, Any] = ({"a": {"b": 1}, "c": 1.0}, [{"a": {"d": None}}, {"e": None}])
    check(owner, *example)
    monkeypatch.setattr(Document, "over", lambda self, old: Document.of(bug(old, self.fields), self.limits))
    with pytest.raises(AssertionError):
        check(owner, *example)
