"""The pieces of a streamed completion, by what was told of its run."""

import orjson
import pytest

from agents.models import Agent, AgentKind, AgentVersion
from batches.execution.live import BETWEEN_STEPS
from batches.models import Run
from batches.news import FinishedRun, NewsKind, RunNews
from batches.openai_api.chat_stream import ChatChunks
from batches.openai_api.running import Asked
from batches.states import RunState

USED_TOOL = RunNews(NewsKind.TOOL_CALL, 1, {"step": 1})
LOOKING = RunNews(NewsKind.TEXT, 1, {"at": 0, "text": "Let me look."})
SECOND = len("Let me look." + BETWEEN_STEPS)


def text(at: int, words: str) -> RunNews:
    return RunNews(NewsKind.TEXT, 1, {"at": at, "text": words})


def told(output: str, *news: RunNews, is_plain: bool = False) -> str:
    """Return the text of a stream that tells `news` and ends with `output`."""
    agent = Agent(slug="helper", kind=AgentKind.MODEL if is_plain else AgentKind.AGENT)
    version = AgentVersion(agent=agent, number=1, model="m")
    asked = Asked(Run(pk=1), version, {"model": "m"}, None, 0)  # type: ignore[arg-type]
    chunks = ChatChunks(asked)
    ended = FinishedRun(RunState.SUCCEEDED, output=output, model="acme/m")
    events = [event for one in (*news, ended) for event in chunks.of(one)]
    assert events.pop() == b"data: [DONE]\n\n"
    bodies = [orjson.loads(event.removeprefix(b"data: ")) for event in events]
    return "".join(body["choices"][0]["delta"].get("content", "") for body in bodies)


@pytest.mark.parametrize(
    "news",
    [
        [LOOKING, USED_TOOL, text(SECOND - 2, BETWEEN_STEPS + "It rains, and how it rains.")],
        [LOOKING, USED_TOOL, text(SECOND - 2, BETWEEN_STEPS + "It ra"), text(SECOND + 9, "and how")],
        [LOOKING, USED_TOOL],
        [LOOKING],
    ],
)
def test_what_was_lost_of_an_agents_answer_is_told_at_its_end(news: list[RunNews]):
    assert told("It rains, and how it rains.", *news) == f"Let me look.{BETWEEN_STEPS}It rains, and how it rains."


def test_an_answer_without_tools_is_told_once():
    assert told("It rains.") == "It rains."
    assert told("It rains.", text(0, "It ")) == "It rains."
    assert told("It rains.", text(0, "It "), text(3, "rains.")) == "It rains."
    assert told("", USED_TOOL) == ""


def test_what_was_put_right_at_the_end_is_not_told_again():
    assert told('{"a":1}', text(0, '```\n{"a": 1}\n```'), is_plain=True) == '```\n{"a": 1}\n```'
