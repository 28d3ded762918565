"""The project as pip installs it: in an environment of its own, used from a folder that has an `app` already."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.server import PATIENCE, environment, run, serve

CHECKOUT = Path(__file__).parents[1]


class Installed(NamedTuple):
    """A virtual environment with nothing but struere-local installed."""

    environment: Path
    packages: Path  # its site-packages

    @property
    def command(self) -> Path:
        return self.environment / "bin" / "struere-local"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build a wheel of a copy of the checkout and install it; dependencies are those of this environment."""
    work = tmp_path_factory.mktemp("installed")
    source = work / "source"
    shutil.copytree(CHECKOUT / "app", source / "app", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "wsgi.py"):
        shutil.copy(CHECKOUT / name, source)
    (source / "tests").mkdir()
    (source / "tests" / "__init__.py").touch()
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(work), str(source))

    venv.create(work / "environment", with_pip=False, symlinks=True)
    [packages] = (work / "environment").glob("lib/python*/site-packages")
    [wheel] = work.glob("*.whl")
    pip("--python", str(work / "environment" / "bin" / "python"), "install", "--no-deps", str(wheel))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return Installed(work / "environment", packages)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a user who has an `app` too."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text('whose = "mine"\n')
    return tmp_path


def test_one_package_is_installed_with_all_of_its_modules_and_the_schema(installed: Installed) -> None:
    names = {path.name for path in installed.packages.iterdir() if path.suffix not in (".dist-info", ".pth")}
    assert names == {"struere_local"}
    assert sources(installed.packages / "struere_local") == sources(CHECKOUT / "app")


def test_the_command_tells_its_version(installed: Installed, folder: Path) -> None:
    told = run("--version", folder=folder, command=installed.command)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("struere-local, version ")


def test_a_server_keeps_its_data_in_the_folder_that_it_is_started_in(installed: Installed, folder: Path) -> None:
    before = files(installed.environment)
    with serve(folder=folder, command=installed.command) as server:
        assert server.get("/v1/entity-types") == {"data": []}
        assert server.database == folder / "instance" / "struere.db"
    assert (folder / "instance" / "struere.db").is_file()
    assert files(installed.environment) == before


def test_python_imports_the_package_beside_the_user_s_own_app(installed: Installed, folder: Path) -> None:
    before = files(installed.environment)
    program = "import app, json, struere_local; print(json.dumps([app.whose, struere_local.__file__]))"
    assert python(installed, folder, program) == ["mine", str(installed.packages / "struere_local" / "__init__.py")]
    assert not (folder / "instance").exists()
    assert files(installed.environment) == before


def test_the_application_made_by_python_keeps_its_data_in_that_folder_too(installed: Installed, folder: Path) -> None:
    before = files(installed.environment)
    program = "import json, struere_local; print(json.dumps(struere_local.create_app().instance_path))"
    assert python(installed, folder, program) == str(folder / "instance")
    assert (folder / "instance" / "struere.db").is_file()
    assert files(installed.environment) == before


def pip(*arguments: str) -> None:
    """Run pip without a network."""
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        env=environment({"PIP_NO_INDEX": "1"}),
        timeout=3 * PATIENCE,
        check=True,
    )


def python(installed: Installed, folder: Path, program: str) -> object:
    """Return the JSON that a program prints."""
    ended = run("-c", program, folder=folder, command=installed.python)
    assert ended.returncode == 0, ended.stderr
    value: object = json.loads(ended.stdout)
    return value


def sources(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.suffix in (".py", ".sql")}


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))
