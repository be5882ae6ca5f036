"""What a package index gets, what a forge would run, and what the first `make` does with the Python that it finds."""

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import cfenvs

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINK = re.compile(r"!?\[[^]]*]\((?P<target>[^)]*)\)")


def ran(*command, **kwargs):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder of the sdist, and of the wheel that is built from it; nothing is downloaded."""
    for module in ("build", "hatchling", "twine"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module}: pip install -c constraints.txt -e '.[dev]'")
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(built, tmp_path_factory):
    """Where the sdist is unpacked."""
    (path,) = built.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"cfenvs-{cfenvs.__version__}"


def files(folder):
    left = {"__pycache__", "generated", ".git"}
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if not left & set(path.parts)}


def test_the_wheel_ships_the_package_alone(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {f"cfenvs/{name}" for name in files(ROOT / "cfenvs")}
    assert "cfenvs/py.typed" in names


def test_the_sdist_ships_the_repository(sdist):
    for part in ("cfenvs", "baselines", "benchmarks", "docs", "examples", "tests"):
        assert files(sdist / part) == files(ROOT / part)
    alone = {path.name for path in sdist.iterdir() if path.is_file()}
    assert alone >= {"pyproject.toml", "Makefile", "constraints.txt", "conftest.py", "hatch_build.py", "PKG-INFO"}
    assert alone >= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE"}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_installed_runs_elsewhere(kind, request, tmp_path):
    package = request.getfixturevalue(kind)
    site = tmp_path / "site"
    command = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index")
    ran(*command, "--no-deps", "--no-build-isolation", "--target", site, package)
    assert {path.name for path in site.iterdir()} - {"bin"} == {"cfenvs", f"cfenvs-{cfenvs.__version__}.dist-info"}
    code = "import cfenvs, gymnasium as gym; print(cfenvs.__file__); gym.make('XLMIMOPower-v0').reset(seed=0)"
    shown = ran(sys.executable, "-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)})
    assert Path(shown.strip()).parent == site / "cfenvs"


def test_an_index_would_take_both(built):
    ran(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())


def test_the_page_of_the_index_has_no_link_that_leads_nowhere(wheel):
    name = f"cfenvs-{cfenvs.__version__}.dist-info/METADATA"
    page = message_from_bytes(zipfile.ZipFile(wheel).read(name)).get_payload()
    assert page.startswith("# cfenvs")
    assert all(link["target"].startswith(("https://", "#")) for link in LINK.finditer(page))


def test_pictures_and_links_lead_to_the_tag_of_the_version():
    pytest.importorskip("hatchling", reason="needs the extra dev: pip install -c constraints.txt -e '.[dev]'")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hatch_build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hatch_build)
    text = "![A map](docs/map.png) and [how](docs/how.md), [there](https://there.example), [above](#above), a[0] (b)"
    there = "https://forge.example/we/cfenvs"
    assert hatch_build.described(text, there, "1.2.3") == (
        f"![A map]({there}/raw/v1.2.3/docs/map.png) and [how]({there}/blob/v1.2.3/docs/how.md), "
        "[there](https://there.example), [above](#above), a[0] (b)"
    )
    assert hatch_build.described(text, None, "1.2.3") == (
        "*A map* and how, [there](https://there.example), [above](#above), a[0] (b)"
    )
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = [link["target"] for link in LINK.finditer(readme) if link[0].startswith("!")]
    assert "docs/walk.gif" in pictures
    assert all((ROOT / path).is_file() for path in pictures)


def test_documents_name_extras_that_there_are():
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.rst"), *(ROOT / "docs/add").glob("*.rst"), ROOT / "Makefile"]
    named = {
        extra
        for path in texts
        for extras in re.findall(r"(?:\.|cfenvs)\[([a-z0-9,]+)]", path.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    assert named >= {"baselines", "render", "dev", "docs"}
    assert named <= PROJECT["optional-dependencies"].keys()


def test_the_version_has_its_section_in_the_changelog():
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heads[0] == "Unreleased" or heads[0].startswith(f"{cfenvs.__version__}, ")
    for head in heads[heads[0] == "Unreleased" :]:
        assert re.fullmatch(r"\d+\.\d+\.\d+, (\d{4}-\d\d-\d\d|unreleased)", head)
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited[1] == cfenvs.__version__


# The workflow of a forge.


def commands():
    """Each command of the workflow."""
    yaml = pytest.importorskip("yaml", reason="needs the extra dev: pip install -c constraints.txt -e '.[dev]'")
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 360
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            yield from step.get("run", "").splitlines()


def test_the_workflow_runs_what_there_is():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    seen = set()
    for command in commands():
        words = command.replace('"', "").split()
        if words[0] == "make":
            assert words[1] in targets
            seen.add(words[1])
        else:
            assert words[:2] == ["python", "-m"]
            assert importlib.util.find_spec(words[2])
            seen.add(words[2])
        for word in words[3:]:
            if word.startswith("tests") or word.endswith(".txt"):
                assert (ROOT / word).exists(), word
            elif word.startswith(".["):
                assert set(word[2:-1].split(",")) <= PROJECT["optional-dependencies"].keys()
    assert seen >= {"pytest", "benchmarks", "test-lower", "lint", "docs", "dist", "verify"}


def test_ci_and_the_workflow_check_the_same():
    here = set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE))
    there = {command.split()[1] for command in commands() if command.startswith("make ")}
    assert here - there <= {"test", "leaderboard"}  # which it runs without make, for Windows
    assert there - here <= {"docs"}  # a test here


def test_the_workflow_runs_every_python_that_is_named():
    yaml = pytest.importorskip("yaml", reason="needs the extra dev: pip install -c constraints.txt -e '.[dev]'")
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    named = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", name)]
    assert set(named) <= set(matrix["python"])
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert workflow["jobs"]["oldest"]["steps"][1]["with"]["python-version"] == named[0]


# The first command.


OLD = """#!/bin/sh
exec {python} -S -c 'import sys
sys.version_info = (3, 10, 13, "final", 0)
exec(sys.argv[2])' "$@"
"""
"""A Python that says it is 3.10."""


@pytest.fixture
def make(tmp_path):
    if sys.platform == "win32":
        pytest.skip("the Makefile is for sh")
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    old = tmp_path / "python3.10"
    old.write_text(OLD.format(python=sys.executable))
    old.chmod(0o755)

    def run(python):
        command = ["make", f"PYTHON={python}", ".venv/.python"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run


def test_an_old_python_is_told_and_leaves_nothing(make, tmp_path):
    done = make("./python3.10")
    assert done.returncode != 0
    assert (
        "Python 3.11 or newer is needed; ./python3.10 is 3.10.13. Name another: make PYTHON=python3.12" in done.stderr
    )
    assert not (tmp_path / ".venv").exists()
    assert "no pythonless is here" in make("pythonless").stdout
    assert not (tmp_path / ".venv").exists()


def test_an_environment_of_an_old_python_and_one_half_made_are_made_anew_and_a_good_one_stays(make, tmp_path):
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "python3.10").rename(folder / "python")
    assert make(sys.executable).returncode == 0
    assert not (folder / "python").read_bytes().startswith(b"#!/bin/sh")
    stamp = tmp_path / ".venv" / ".python"
    assert stamp.exists()
    stamp.unlink()  # as environments of an older Makefile, or one that was interrupted
    (tmp_path / ".venv" / "mine").touch()
    assert make("pythonless").returncode == 0
    assert (tmp_path / ".venv" / "mine").exists()
