"""Configuration of the documentation: ``make docs``, or ``python -m sphinx -W -b html docs docs/_build/html``.

The build needs no network. Links to the documentation of Python, NumPy, SciPy, librosa and scikit-learn (intersphinx)
need their inventories from the network, so they are made only where MXNET_AUDIO_INTERSPHINX or READTHEDOCS is set.
The tutorials run on small synthesised data; ``-D plot_gallery=0`` builds their pages without running them.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and MXNet are imported
sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import mxnet_audio
import mxnet_audio.engine  # mxnet itself can only be imported after this

project = "mxnet-audio"
author = "the mxnet-audio developers"
copyright = author
release = version = mxnet_audio.__version__

extensions = [
    "command_line",
    "gluon_sections",
    "model_cards",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "tutorials"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
default_role = "py:obj"
smartquotes = False  # which would turn the two hyphens of an option into a dash

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings describe the types
autosummary_imported_members = True
autosummary_ignore_module_all = False
numpydoc_show_class_members = False

if os.environ.get("MXNET_AUDIO_INTERSPHINX") or os.environ.get("READTHEDOCS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "librosa": ("https://librosa.org/doc/latest", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "python": ("https://docs.python.org/3", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "auto_tutorials",
    "filename_pattern": r"\.py$",
    "image_scrapers": ("gallery_figures",),
    "capture_repr": ("_repr_html_",),
    "first_notebook_cell": "%matplotlib inline",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "pydata_sphinx_theme"
html_title = f"mxnet-audio {release}"
html_show_sourcelink = False
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}

for page in (Path(__file__).parent / "reference" / "generated").glob("*.rst"):
    page.unlink()  # the pages of names that were removed would stay
