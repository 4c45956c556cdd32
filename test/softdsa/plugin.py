# SPDX-License-Identifier: BSD-3-Clause
"""A place from which EAL loads a plugin.

EAL refuses a plugin that others may write to."""

import contextlib
import os
import shutil
import tempfile


@contextlib.contextmanager
def placed(plugin):
    """A copy of the plugin below a directory that only root may write to."""
    directory = tempfile.mkdtemp(prefix='ferry-test-', dir='/run')
    os.chmod(directory, 0o755)
    try:
        yield shutil.copy(plugin, directory)
    finally:
        shutil.rmtree(directory)
