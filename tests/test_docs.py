"""The documentation: examples run, it builds without a warning, what there is has a page, links lead somewhere."""

import doctest
import importlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import fields, replace
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from cfenvs.cell_free.activity import Activity
from cfenvs.cell_free.receivers import Receiver
from cfenvs.evaluation import Protocol
from cfenvs.registration import IDS
from cfenvs.ris_auction import BIDDERS
from cfenvs.xl_mimo import receivers as xl_receivers

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.rst") if "generated" not in path.parts)

needs_sphinx = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("sphinx", "furo", "sphinx_copybutton", "latex2mathml")),
    reason="needs the extra docs: pip install -c constraints.txt -e '.[docs]'",
)


@pytest.mark.parametrize("path", [page for page in PAGES if ">>>" in page.read_text()], ids=lambda path: path.stem)
def test_examples_run(path):
    failed, attempted = doctest.testfile(str(path), module_relative=False)
    assert attempted > 0
    assert failed == 0


def test_the_protocol_of_the_leaderboard_s_page_runs(tmp_path):
    """As it stands there, with the algorithms that are named below it, but for fewer networks and steps."""
    pytest.importorskip("torch")
    from benchmarks.cells import Cell

    page = (DOCS / "leaderboard.rst").read_text()
    block = re.search(r"\.\. code-block:: toml\n\n((?:   .*\n|\n)+)", page)[1]
    path = tmp_path / re.search(r"# (\S+\.toml)", block)[1]
    path.write_text(textwrap.dedent(block))
    protocol = Protocol.load(path)
    short = replace(protocol, num_scenarios=2, steps_per_network=100, traced=0)
    command = re.search(rf"run --protocol {path.name}((?:.*\\\n)*.*)", page)[1]
    named = re.findall(r"--algo (\S+)", command)
    assert named == ["random", "optimum", "fper"]
    for name in named:
        result = Cell(name="crowded", protocol=short, algorithm=name, out=tmp_path / "out").run()
        assert (result.reward > 0).all() or name == "random"
        if name in ("random", "optimum"):
            assert set(protocol.metrics) <= result.metrics.keys()


def test_what_is_to_be_cited_can_be():
    """Every environment and every learner has a row; its keys are in the file, which holds no other; one version."""
    page, bib = (DOCS / name for name in ("citing.rst", "references.bib"))
    page, bib = page.read_text(encoding="utf-8"), bib.read_text(encoding="utf-8")
    entries = re.findall(r"^@\w+\{(\w+),\n((?:  .*\n)+)\}$", bib, re.MULTILINE)
    keys = [key for key, _ in entries]
    assert len(keys) == len(set(keys)) == bib.count("\n@") + 1
    for key, said in entries:
        assert re.search(r"^  year +=", said, re.MULTILINE), key
        assert re.search(r"^  (author|title) +=", said, re.MULTILINE), key
        assert said.count("{") == said.count("}"), key
    named = set(re.findall(r"``([\w-]+)``", page)) - {"baselines"}
    learners = {path.stem for path in (ROOT / "baselines").glob("[!_]*.py")}
    assert named == set(keys) | learners | set(IDS)
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for word, field in {"version": "version", "date-released": "date"}.items():
        value = re.search(rf"^{word}: (.*)$", cited, re.MULTILINE)[1]
        assert f"{field:8}= {{{value}}}," in dict(entries)["cfenvs"]


class Page(HTMLParser):
    """What a page holds: words, places that can be linked to, links, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.text, self.anchors, self.links, self.loads = "", set(), set(), set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors.add(found.get("id"))
        if tag == "a":
            self.links.add(found.get("href"))
        elif tag in ("script", "img", "iframe") or (tag == "link" and found.get("rel") in ("stylesheet", "icon")):
            self.loads |= {found.get("src"), found.get("href")}

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("kind", [Receiver, Activity, xl_receivers.Receiver], ids=lambda kind: kind.__module__)
def test_the_page_and_the_class_name_all_that_one_s_own_may_offer(kind):
    page = (DOCS / "add" / "receiver.rst").read_text()
    assert [name for name in kind.limited if f"``{name}``" not in page] == []
    assert [name for name in kind.limited if f"`{name}`" not in kind.__doc__] == []


@needs_sphinx
def test_site(tmp_path):
    """One build for all that is said of the site: it takes most of the time."""
    source, out = tmp_path / "docs", tmp_path / "site"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("generated", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--tag", "plain", source, out],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    site = {path: Page(path) for path in out.rglob("*.html")}
    every_source_is_a_page_and_listed(source, out, site)
    what_there_is_has_its_page(out, site)
    links_lead_somewhere(site)
    nothing_is_loaded_from_elsewhere(site)


def every_source_is_a_page_and_listed(source, out, site):
    reached, todo = set(), [out / "index.html"]
    while todo:
        path = todo.pop()
        if path not in reached:
            reached.add(path)
            todo += [
                target
                for link in site[path].links
                if link and (target := (path.parent / urlsplit(link).path).resolve()) in site
            ]
    for path in source.rglob("*.rst"):
        assert out / path.relative_to(source).with_suffix(".html") in reached, f"no link leads to {path}"


def what_there_is_has_its_page(out, site):
    made = out / "generated"
    for name, (package, _) in IDS.items():
        text = site[made / "environments" / f"{name}.html"].text
        module = importlib.import_module(package)
        config = next(value for key, value in vars(module).items() if key.endswith("Config"))
        for word in (*module.PRESETS, *(field.name for field in fields(config)), "Reference values", "Episode End"):
            assert word in text, f"{word} is not on the page of {name}"
        for receiver in getattr(module, "RECEIVERS", ()):
            page = made / "receivers" / f"{package.rpartition('.')[2]}-{receiver}.html"
            assert module.RECEIVERS[receiver].__doc__.splitlines()[0] in site[page].text
    for bidder, make in BIDDERS.items():
        assert bidder in site[made / "bidders.html"].text
        assert make.__name__ in site[made / "bidders.html"].text
    for path in (ROOT / "baselines").glob("[!_]*.py"):
        assert path.stem in site[made / "baselines" / f"{path.stem}.html"].text
    for path in (ROOT / "cfenvs").rglob("[!_]*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        assert name in site[made / "reference" / f"{name}.html"].text
    for path in (ROOT / "benchmarks" / "protocols").glob("*.toml"):
        assert path.stem in site[out / "leaderboard.html"].text


def links_lead_somewhere(site):
    for path, page in site.items():
        for link in page.links | page.loads:
            parts = urlsplit(link or "")
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path}: {link}"
            if parts.fragment and target in site:
                assert unquote(parts.fragment) in site[target].anchors, f"{path}: {link}"


def nothing_is_loaded_from_elsewhere(site):
    for path, page in site.items():
        for link in page.loads:
            assert not link or not urlsplit(link).netloc, f"{path} loads {link}"


@needs_sphinx
def test_docstrings_become_readable(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    docstrings = importlib.import_module("extension.docstrings")
    lines = ["A norm |x| [1]_, `a|b`:", "", "    y = |x|", "", "Parameters", "----------", "x : float", "    Of |y|."]
    assert docstrings.readable(lines, "m.f") == [
        "A norm \\|x\\| [#m-f-1]_, `a|b`:", "", ".. code-block:: text", "", "    y = |x|", "",
        "Parameters", "----------", "x : float", "    Of \\|y\\|.",
    ]  # fmt: skip


@needs_sphinx
def test_a_formula_that_is_not_understood_is_an_error(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    mathml = importlib.import_module("extension.mathml").mathml
    assert "<mfrac>" in mathml(r"\frac{a}{b}", "block")
    with pytest.raises(ValueError, match="nonsense"):
        mathml(r"\nonsense{a}", "block")
