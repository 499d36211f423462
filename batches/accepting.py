"""Whether a file may become a batch of an agent version: what `BatchManager.create` and estimates ask first."""

from pathlib import Path

from agents.attachments import check_columns
from agents.models import AgentVersion
from agents.prompts import template
from workers.errors import InvalidInput

from .inputs import InputReport, check_input, open_input


class BadRows(InvalidInput):
    """The input has bad rows and the user did not choose to skip them; `report` names each by line and reason."""

    def __init__(self, report: InputReport) -> None:
        """Hold the report of the check."""
        super().__init__(report.describe())
        self.report = report


def accept_input(version: AgentVersion, path: Path, *, skip_bad_rows: bool) -> InputReport:
    """Return what is in the file at `path`, all of which is read, for the prompt and the attachments of `version`.

    Raises InvalidInput where the file cannot be used, and BadRows where a row is bad, unless the user chose to skip bad
    rows and good ones are left.
    """
    prompt = template(version.prompt)
    if columns := open_input(path).columns:
        prompt.check(columns)
        check_columns(version.attachments, columns)
    report = check_input(path, [*prompt.names, *version.attachments])
    if report.problem_count and not (skip_bad_rows and report.total):
        raise BadRows(report)
    return report
