"""`make security`: what it runs, and that it cannot pass without running it."""

import pytest

from tests import run


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The exit code of each module that would be run; those that are not named end well."""
    codes: dict[str, int] = {}
    monkeypatch.setattr(run, "run", lambda module, *arguments, **variables: codes.get(module, 0))
    return codes


@pytest.mark.parametrize("module", ["django", "pytest"])
def test_the_security_run_fails_where_a_part_of_it_does(ended: dict[str, int], module: str) -> None:
    assert run.run_security() == 0
    ended[module] = pytest.ExitCode.NO_TESTS_COLLECTED
    assert run.run_security() == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_security_run_takes_the_marked_tests_of_all_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(run, "run", lambda module, *arguments, **variables: asked.append((module, *arguments)) or 0)
    run.run_security()
    assert asked[-1] == ("pytest", "-m", "security")
