"""struere-local check"""

from app.parts import Parts

from .conftest import Run, assert_refused


def test_a_sound_database_is_told(struere: Run, parts: Parts) -> None:
    assert struere("check") == (0, "", f"{parts.database.path} is sound.\n")


def test_each_problem_is_a_line_and_the_command_fails(struere: Run, parts: Parts) -> None:
    parts.database.connection.execute("CREATE VIRTUAL TABLE search_9 USING fts5(text)")
    checked = struere("check")
    assert (checked.code, checked.stdout) == (1, "Search table search_9 belongs to no entity type\n")
    assert checked.stderr.startswith(f"Error: {parts.database.path} is not sound; ")


def test_a_database_that_is_not_there_is_not_made(struere_local: Run) -> None:
    assert_refused(struere_local("check"), "There is no database")
