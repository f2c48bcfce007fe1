"""The site: sphinx over docs/, with pages that are made from the course itself (pages.py). `make site` builds it.

It works without a network: the theme and the formulas' program come from packages, formulas become MathML. With
`-t solutions` the solution notebooks are run and shown as well; whoever teaches a class leaves that off.
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

import pages  # noqa: E402 - found beside this file

from autograder.course import Course  # noqa: E402 - found in the repository's root

course = Course.open(root=DOCS.parent)
pages.write(course, DOCS, solutions=tags.has("solutions"))  # noqa: F821 - sphinx puts `tags` here

project = course.title
author = "the course's contributors"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinxcontrib.katex",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
suppress_warnings = [
    "ref.footnote",  # a module's list of references may name a work that no docstring cites
    "ref.python",  # several classes have a field of one name
]

# Student notebooks show the pictures that are stored in them. Solutions have been run when they come here (solved.py).
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # sliders need a kernel, and their program would come from another server
nb_number_source_lines = False

autodoc_member_order = "bysource"
autodoc_default_options = {
    "exclude-members": "Picture"
}  # matplotlib's docstrings are not written for this site
autodoc_typehints = "none"  # docstrings say shapes as well
napoleon_google_docstring = False
napoleon_use_ivar = True  # fields of a NamedTuple are listed by autodoc as well

katex_css_path = "katex-math.css"  # KaTeX's own would ask for fonts from outside; MathML needs none
katex_options = 'output: "mathml", throwOnError: false'

html_theme = "sphinx_book_theme"
html_title = course.title
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"  # a browser asks for one in any case
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
html_css_files = ["course.css"]
html_theme_options = {
    "home_page_in_toc": False,
    "navbar_persistent": [],  # there is a search in the sidebar
    "use_download_button": True,
    "show_toc_level": 2,
    "repository_url": course.repository,
    "use_repository_button": bool(course.repository),
}
html_copy_source = False
html_domain_indices = False  # the API's own list is enough
html_show_sphinx = False


def plain_text(app, what, name, obj, options, lines):
    """Keep what is no markup from being read as such: "P. Jaccard" as a list, the star of a shape "(N, *S)"."""
    lines[:] = [re.sub(r"^(\.\. \[\d+\] \w)\. ", r"\1\\. ", line) for line in lines]
    lines[:] = [re.sub(r"(?<=[ (])\*(?=[\w.]+[,)])", r"\\*", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", plain_text, priority=400)  # before napoleon reads the sections
