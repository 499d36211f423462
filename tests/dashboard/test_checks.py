"""The check for collected static files."""

from pathlib import Path

from dashboard.checks import static_files_are_collected


def test_production_without_collected_files_is_told_what_to_run(settings, tmp_path: Path):
    settings.WHITENOISE_USE_FINDERS = False
    settings.STATIC_ROOT = tmp_path

    (warning,) = static_files_are_collected()
    assert "collectstatic" in warning.hint

    (tmp_path / "staticfiles.json").touch()
    assert static_files_are_collected() == []


def test_development_needs_no_collected_files(settings, tmp_path: Path):
    settings.STATIC_ROOT = tmp_path

    assert static_files_are_collected() == []
