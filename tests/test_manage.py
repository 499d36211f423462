"""What `manage.py` itself does, before a command has begun."""

import os
import subprocess
import sys

from tests.support.worker_harness import ROOT

# Ctrl-C while Django is being imported.
INTERRUPTING = """
import runpy, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "django.core.management":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
sys.argv = ["manage.py", "batches", "list"]
runpy.run_path("manage.py", run_name="__main__")
"""


def test_ctrl_c_while_a_command_starts_is_no_traceback():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTING],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
