"""The site: `make docs` builds it from the pages beside this file, the tutorials' scripts and the docstrings."""

import os
from importlib.metadata import version as version_of

os.environ.setdefault("MPLBACKEND", "Agg")

project, author, copyright = "tgsage", "the tgsage contributors", "the tgsage contributors"
version = release = version_of("tgsage")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["tutorials", "gallery/*.ipynb", "gallery/sg_execution_times.rst", "sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "literal"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "tgsage"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"api/*": []}  # a hundred names beside each of a hundred pages cost more than they help
html_show_sourcelink = html_copy_source = False
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_theme_options = {"navigation_with_keys": False, "show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "none"  # the docstrings say what is meant
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False
napoleon_use_ivar = True

# sphinx-gallery's settings; the pages of experiments, which begin with a third-level title and are linked, not listed;
# words in docstrings that are names of several attributes.
suppress_warnings = ["config.cache", "myst.header", "toc.not_included", "ref.python"]

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "gallery",
    "filename_pattern": os.environ.get("TGSAGE_TUTORIALS", "plot_"),  # those that are run
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "abort_on_example_error": True,
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "download_all_examples": False,
}
