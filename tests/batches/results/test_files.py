"""A file appears whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batches.results.files import write_whole
from workers.errors import InvalidInput


def test_a_file_is_replaced_when_the_new_one_is_complete(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    path.chmod(0o640)

    def parts():
        yield b"new "
        assert path.read_text() == "old"
        yield b"file"

    write_whole(path, parts())
    assert path.read_text() == "new file"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def parts():
        yield b"half"
        raise error

    with pytest.raises(error):
        write_whole(path, parts())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    def parts():
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(InvalidInput, match=r"cannot be written \(No space left on device\)"):
        write_whole(tmp_path / "out.csv", parts())
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write_whole(tmp_path / "link.csv", [b"x"])
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == b"x"


def test_where_no_file_can_be_is_an_error(tmp_path):
    with pytest.raises(InvalidInput, match=r"the folder .*missing does not exist"):
        write_whole(tmp_path / "missing" / "out.csv", [b"x"])
    with pytest.raises(InvalidInput, match="is not a regular file"):
        write_whole(tmp_path, [b"x"])
    with pytest.raises(InvalidInput, match="is not a regular file"):
        write_whole(Path("/dev/null"), [b"x"])


def test_a_killed_writer_leaves_no_half_file_under_the_name(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from batches.results.files import write_whole\n"
        "def parts():\n    yield b'x' * 1_000_000\n    print('half', flush=True)\n    time.sleep(60)\n"
        "write_whole(Path(sys.argv[1]), parts())\n"
    )
    # The package's __init__ needs Django's settings; the module under test does not.
    program = "import django; django.setup()\n" + program
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "arboretum.settings"}
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", program, str(tmp_path / "out.csv")]
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not (tmp_path / "out.csv").exists()
