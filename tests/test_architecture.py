"""The rules that keep the tree livable, read from the imports of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APP = ROOT / "app"
PATHS = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(APP.rglob("*.py"))}
MODULES = {name.removesuffix(".__init__"): path for name, path in PATHS.items()}
TREES = {name: ast.parse(path.read_bytes()) for name, path in MODULES.items()}

PURE = ["app.storage.errors", "app.storage.filters", "app.storage.search"]
LONGEST_MODULE, LONGEST_FUNCTION = 250, 40  # lines
OUTSIDE = "app.storage.outside"
CLOCKS_AND_DICE = {"time", "random", "secrets", "uuid"}
READINGS = {"now", "utcnow", "today", "urandom", "getrandom"}

# What each part may import of the others: arrows point down only.
ARROWS = {
    "app.storage": set[str](),
    "app.api": {"app.headers", "app.storage"},
    "app.parts": {"app.storage"},
    "app.config": {"app.storage"},
    "app.json_yaml": set[str](),
    "app.project": {"app.api", "app.json_yaml", "app.storage"},
    "app.garbage": {"app.lazy"},
    "app.headers": set[str](),
    "app.heap": set[str](),
    "app.lazy": set[str](),
    "app.linger": {"app.storage"},
    "app.logs": set[str](),
    "app.messages": {"app.storage"},
    "app.places": set[str](),
    "app.reload": {"app.parts", "app.storage"},
    "app.serve": {"app.heap", "app.logs", "app.places", "app.reload", "app.storage", "app.worker"},
    "app.worker": {"app.headers", "app.linger", "app.messages", "app.places", "app.storage"},
    "app.cli": {"app.api", "app.config", "app.parts", "app.project", "app.serve", "app.storage"},
    "app.gunicorn_conf": {"app.config", "app.parts", "app.reload", "app.serve", "app.storage", "app.worker"},
    "app.__main__": {"app"},
    "app": {
        "app.api",
        "app.cli",
        "app.config",
        "app.garbage",
        "app.headers",
        "app.lazy",
        "app.logs",
        "app.parts",
        "app.storage",
    },
}

each_module = pytest.mark.parametrize("name", MODULES)


def imports(name: str) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the absolute name of each module that a module imports, with its statement."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield (inner if inner in MODULES else source), node


def imported(name: str) -> set[str]:
    return {module for module, _ in imports(name)}


def part(module: str) -> str:
    """Return the part of the application that a module belongs to."""
    return next(each for each in ARROWS if module == each or (each != "app" and module.startswith(f"{each}.")))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@each_module
def test_imports_point_down_only(name: str) -> None:
    ours = {part(module) for module in imported(name) if module in MODULES}
    assert ours - {part(name)} <= ARROWS[part(name)]


@pytest.mark.parametrize("name", [name for name in MODULES if part(name) == "app.storage"])
def test_the_storage_knows_nothing_of_http(name: str) -> None:
    roots = {module.partition(".")[0] for module in imported(name)}
    assert not roots & {
        "flask",
        "werkzeug",
        "marshmallow",
        "flask_limiter",
        "gunicorn",
        "click",
    }


@pytest.mark.parametrize("name", PURE)
def test_the_pure_modules_import_no_other_of_ours(name: str) -> None:
    assert not imported(name) & set(MODULES)
    assert not {"apsw", "os", "threading"} & imported(name)


@each_module
def test_imports_within_the_application_are_relative(name: str) -> None:
    absolute = [module for module, node in imports(name) if module in MODULES and not getattr(node, "level", 0)]
    assert absolute == []


@each_module
def test_no_function_imports(name: str) -> None:
    inside = [
        f"{function.name}, line {node.lineno}"
        for function in functions(TREES[name])
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    remaining = {name: imported(name) & set(MODULES) - {name} for name in MODULES}
    while free := {name for name, needed in remaining.items() if not needed & set(remaining)}:
        remaining = {name: needed for name, needed in remaining.items() if name not in free}
    assert remaining == {}


@pytest.mark.parametrize("name", [name for name in MODULES if name != OUTSIDE])
def test_only_one_module_reads_a_clock_or_rolls_dice(name: str) -> None:
    assert not {module.partition(".")[0] for module in imported(name)} & CLOCKS_AND_DICE
    readings = [
        ast.unparse(node)
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Attribute) and node.attr in READINGS and not ast.unparse(node.value).endswith("outside")
    ]
    assert readings == []


def test_that_module_does() -> None:
    assert imported(OUTSIDE) & CLOCKS_AND_DICE


@each_module
def test_a_module_has_one_idea(name: str) -> None:
    assert MODULES[name].read_text().count("\n") <= LONGEST_MODULE


@each_module
def test_a_function_has_one_idea(name: str) -> None:
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions(TREES[name])}
    assert {function: length for function, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@each_module
def test_a_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(TREES[name])


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "storage").glob("*.py")), ids=lambda path: path.name)
def test_the_tests_of_the_storage_need_no_flask(path: Path) -> None:
    nodes = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or alias.name for node in nodes for alias in node.names}
    assert not [name for name in names if name.split(".")[0] in ("flask", "werkzeug")]
    assert not [name for name in names if name.startswith("app") and not name.startswith("app.storage")]


def test_no_file_names_a_place_outside_the_project() -> None:
    elsewhere = ["".join(parts) for parts in (("..", "/shared"), ("/", "work", "/"), ("CONTRACT", ".md"))]
    folders = (APP, ROOT / "tests", ROOT / "docs", ROOT / "examples", ROOT / "benchmarks")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files = [path for path in files if ".cache" not in path.parts]  # what the benchmarks have installed
    files += [
        path for path in ROOT.iterdir() if path.suffix in (".md", ".py", ".cfg", ".toml") or path.name == "Makefile"
    ]
    texts = {path: path.read_text(errors="replace") for path in files}
    assert [str(path) for path, text in texts.items() if any(each in text for each in elsewhere)] == []
