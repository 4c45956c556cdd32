# SPDX-License-Identifier: BSD-3-Clause
"""Sphinx configuration of the guides. Nothing but Sphinx itself is needed."""

import os

project = 'Ferry'
copyright = 'The Ferry contributors'
# meson sets it; without, the pages bear no version.
release = version = os.environ.get('FERRY_VERSION', '')

master_doc = 'index'
highlight_language = 'none'
html_theme = 'alabaster'
html_show_copyright = False
html_copy_source = False
nitpicky = True
