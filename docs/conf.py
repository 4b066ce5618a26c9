"""How Sphinx builds these pages; ``make docs`` turns every warning into an error."""

from __future__ import annotations

from importlib.metadata import version as installed_version

import django
from django.conf import settings

# the REST framework reads settings when it is imported
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
django.setup()

project = "meterguard"
author = "The meterguard authors"
project_copyright = author
version = release = installed_version("meterguard")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "py:obj"
html_copy_source = False

html_theme = "furo"
html_title = f"meterguard {release}"
html_static_path = ["_static"]
html_extra_path = ["llms.txt"]
html_css_files = ["pages.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it shorter than the annotations
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
