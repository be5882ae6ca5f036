"""How the documentation is built; `make docs` runs it."""

import os
import sys
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"  # kernels are plain functions here, whose docstrings can be read
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1]))

from extension.docstrings import parameter_headings

import cfenvs

project = "cfenvs"
author = "The cfenvs developers"
copyright = "the cfenvs developers"
version = release = cfenvs.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "extension.mathml",
    "extension.links",
    "extension.pages",
]
exclude_patterns = ["extension", "generated/**/*.inc", "generated/*.inc"]
default_role = "code-or-link"
highlight_language = "python3"
smartquotes = False

autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False
autodoc_typehints = "none"  # docstrings say types, with shapes and units
autodoc_preserve_defaults = True
autodoc_mock_imports = ["moviepy", "pygame", "stable_baselines3", "torch"]  # heavy, and none of our docstrings

viewcode_follow_imported_members = False  # nothing is documented elsewhere than where it is defined

napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [(heading, "params_style") for heading in ("Attributes", *parameter_headings())]

html_math_renderer = "mathml"
html_theme = "furo"
if tags.has("plain"):  # noqa: F821  (Sphinx's; for the tests: the same pages in half the time)
    extensions.remove("sphinx.ext.viewcode")
    html_theme = "basic"
html_title = f"cfenvs {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
