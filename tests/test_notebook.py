"""The notebook of `examples` runs from top to bottom, and is stored with what it shows."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "first_look.ipynb"

nbformat = pytest.importorskip("nbformat")


def kinds(notebook):
    """Of every cell, what its outputs are; warnings and progress, as of kernels that compile, do not count."""
    return [
        sorted({output.get("name", "") or min(output["data"]) for output in cell.get("outputs", ())} - {"stderr"})
        for cell in notebook.cells
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning")
def test_the_notebook_runs_and_shows_what_it_is_stored_with(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("pygame")
    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    executed = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(executed, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert kinds(executed) == kinds(stored)
    assert any(kind and kind[0].startswith("image/") for kind in kinds(stored))
    assert sum("text/html" in kind for kind in kinds(stored)) == 2
