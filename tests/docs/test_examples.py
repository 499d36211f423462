"""The examples of the documents are typed here in order, with real workers, and have to say what the document tells."""

import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.environment import stop_valkey
from tests.support.ports import free_port
from tests.support.provider_server.process import ProviderServer
from tests.support.waiting import wait_for

from .command_blocks import Block, Newcomer
from .documents import DOCUMENTS, text_of
from .examples import TYPED, Example, examples

MANAGE = ".venv/bin/python manage.py"
ANSWER = '{"language": "Swedish", "formal": false}'
TICKETS = "docs/examples/support_tickets.csv"
WORKER = ".venv/bin/python -m celery -A arboretum worker -l INFO -n examples@%h"
# The id of a single run is drawn by the hour; documents show one of theirs.
RUN_ID = re.compile(r"\b\d{16}\b")


@dataclass(frozen=True, slots=True)
class Step:
    """What goes before an example that a reader sees nothing of, and how the example ends.

    What goes on `until` it has said so and ends by Ctrl-C is compared as it then was.
    """

    before: str = ""
    exit: int = 0
    until: str = ""
    worker: bool | None = None
    provider: Mapping[str, Any] = field(default_factory=dict)


LANGUAGE = """cat > language.json <<'END'
{"type": "object", "required": ["language", "formal"], "additionalProperties": false,
 "properties": {"language": {"type": "string"}, "formal": {"type": "boolean"}}}
END
"""
ANSWERS = """for row in $(seq 200); do
    formal=false; [ $row != 17 ] || formal='\\"no\\"'
    echo '{"output": "{\\"language\\": \\"Swedish\\", \\"formal\\": '$formal'}"}'
done > results.jsonl
"""
FILES = "printf '%s\\n' text 'Tack för snabb leverans.' 'Guten Tag.' 'Hi!' 'Bonjour.' > texts.csv\n"
BAD = "printf '%s\\n' custom_id,text a,Tack a,Hej b,Hi,there c,Ciao > bad.csv\n"
KEPT = (
    f"{MANAGE} agents update triage-demo --cache 7d --schema none --prompt 'Say {{{{ text }}}}'\n"
    + "".join(f"{MANAGE} runs start triage-demo --wait --input '{{\"text\": \"{text}\"}}'\n" for text in ("one", "two"))
)  # fmt: skip
STARTS_VALKEY = f"{MANAGE} batches resume 1 || true"
COMMANDS = {
    "credentials check local": Step(
        f"{MANAGE} credentials add local --provider ollama --base-url http://localhost:1/v1", exit=1
    ),
    "up": Step(until="Sign in as"),
    "down": Step(STARTS_VALKEY),
    "credentials add": Step(STARTS_VALKEY),
    "models unblock": Step(
        f"{MANAGE} shell -c 'from credentials.models import ProviderModel; from django.utils import timezone; "
        'ProviderModel.objects.filter(name="gpt-4o-mini").update(blocked_until=timezone.now())\''
    ),
    "agents create": Step(LANGUAGE),
    "agents schema": Step(ANSWERS, exit=1),
    "batches run languages texts.csv": Step(
        FILES, exit=1, provider={"faults": {"content_policy": 1.0}, "fault_limit": 1, "latency": 0.5}
    ),
    "batches run languages bad.csv": Step(BAD, exit=2),
    "batches estimate triage-demo docs/examples/support_tickets.csv --pilot": Step(worker=True),
    "batches watch": Step(exit=1),
    "batches pause": Step(f"{MANAGE} models set simulated sim-1 --rpm 60\n{MANAGE} batches resume 4"),
    "answers list": Step(f"{MANAGE} models set simulated sim-1 --rpm none\n{KEPT}"),
    "runs cancel": Step(f'{MANAGE} runs start languages --input \'{{"text": "Hej"}}\'', provider={"latency": 60.0}),
    "webhooks test": Step(worker=False),
    "webhooks deliveries": Step(
        f"{MANAGE} shell -c 'from batches.webhooks.claiming import Answer, claim_due, store_answer; "
        'store_answer(claim_due(1)[0], Answer(84, 200, response="ok"))\''
    ),
    "webhooks enable": Step(
        f"{MANAGE} shell -c 'from batches.models import WebhookEndpoint as Endpoint; "
        "Endpoint.objects.update(is_active=False)'"
    ),
    "doctor": Step(worker=False),
}
# As in the document: a batch waits for its limit; the credential is disabled and enabled again.
LIMITS = {
    "models set": Step(f"{MANAGE} credentials add openai --provider openai --key-env OPENAI_API_KEY"),
    "models list": Step(
        f"{MANAGE} models set simulated '*' --rpm 600\n"
        f"{MANAGE} models set simulated sim-small --rpm 240 --tpm 200000 --concurrency 50\n"
        f"{MANAGE} agents create triage --model simulated/sim-small --prompt '{{{{ ticket }}}}'\n"
        f"{MANAGE} batches create triage {TICKETS} --start\nsleep 4\n",
        worker=True,
    ),
    "batches status": Step(
        f"{MANAGE} batches cancel 1\n{MANAGE} credentials disable simulated\nsleep 6\n"
        f"{MANAGE} batches create triage {TICKETS} --weight 2\n{MANAGE} batches resume 2\nsleep 3\n"
    ),
}


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    with ProviderServer(models=["gpt-4o-mini", "fake-small"], reply="fixed", text=ANSWER) as server:
        yield server


@pytest.fixture
def reader(short_folder: Path, provider: ProviderServer) -> Iterator["Reader"]:
    found = Reader(Newcomer(short_folder, provider.base_url), provider)
    yield found
    found.set_worker(False)
    stop_valkey(found.newcomer.data_dir)


class Reader:
    """One who types the examples of a document, one after the other."""

    def __init__(self, newcomer: Newcomer, provider: ProviderServer) -> None:
        """Type in the newcomer's checkout; its credentials of OpenAI are for `provider`."""
        self.newcomer = newcomer
        self._provider = provider
        self._worker: subprocess.Popen[bytes] | None = None

    def type(self, example: Example, step: Step) -> list[str]:
        """Do what goes before, then what the example shows; return what was other than told."""
        if step.worker is not None:
            self.set_worker(step.worker)
        self._provider.configure(**{"faults": {}, "fault_limit": None, "latency": 0.0, **step.provider})
        if step.before:
            self.shell(step.before)
        if step.until:
            return self._stay(example, step)
        done = self._run(f"{MANAGE} {self._with_real_ids(example.typed)}")
        told = [] if done.returncode == step.exit else [f"it ended with {done.returncode}"]
        return told + example.differences(done.stdout)

    def _stay(self, example: Example, step: Step) -> list[str]:
        log = self.newcomer.data_dir / "stays.log"
        # The usual port may be taken by somebody else.
        process = self.newcomer.start(f"{MANAGE} {example.typed} --port {free_port()}", log)
        try:
            wait_for(lambda: step.until in log.read_text() or process.poll() is not None, 60.0, step.until)
            said = log.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
        return ([] if code == step.exit else [f"it ended with {code}"]) + example.differences(said)

    def shell(self, script: str) -> str:
        """Run what no document shows; return what it said."""
        done = self._run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def set_worker(self, wanted: bool) -> None:
        """See to it that a worker runs, or none."""
        if wanted and self._worker is None:
            log = self.newcomer.data_dir / "worker.log"
            self._worker = self.newcomer.start(WORKER, log)
            wait_for(lambda: b" ready." in log.read_bytes(), 60.0, "the worker to start")
        if not wanted and self._worker is not None:
            self._worker.send_signal(signal.SIGTERM)
            self._worker.wait(30)
            self._worker = None

    def _run(self, script: str) -> "subprocess.CompletedProcess[str]":
        return self.newcomer.run(Block(script, options={"openai_is": "PROVIDER_URL"}))

    def _with_real_ids(self, typed: str) -> str:
        if not RUN_ID.search(typed):
            return typed
        latest = RUN_ID.search(self.shell(f"{MANAGE} runs list"))
        assert latest is not None
        return RUN_ID.sub(latest[0], typed)


def differences(document: str, steps: Mapping[str, Step], reader: Reader) -> list[str]:
    """Type the examples of a document; return how they ended otherwise than it tells.

    `steps` are named by how an example begins; each belongs to the first that does.
    """
    found, left = [], dict(steps)
    for example in examples(text_of(document)):
        name = next((start for start in left if example.typed.startswith(start)), "")
        other = reader.type(example, left.pop(name, Step()))
        if other:
            found += [f"$ manage.py {example.typed}", *other]
    return found + [f"no example begins with {start}" for start in left]


@pytest.mark.slow
@pytest.mark.worker
@pytest.mark.any_database
def test_the_examples_of_the_commands_say_what_they_did(reader: Reader) -> None:
    reader.shell(f"{MANAGE} demo")
    found = differences("docs/commands.md", COMMANDS, reader)
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.worker
@pytest.mark.any_database
def test_the_examples_of_the_limits_say_what_they_did(reader: Reader, tmp_path: Path) -> None:
    reader.newcomer.prepare(tmp_path / "made")
    reader.shell(f"{MANAGE} credentials add simulated --provider simulated")
    found = differences("docs/rate-limits.md", LIMITS, reader)
    assert not found, "\n".join(found)


def test_what_differs_is_told() -> None:
    example = Example("batches list", ("ID  COST", " 2  $0.10", "3/4 done · 5 rows/s"))
    assert example.differences("ID COST\n17  $12.50\n\n") == []
    assert example.differences("ID COST\n17  -\n") == ["- ID COST", "- # $#", "+ ID COST", "+ # -"]
    shortened = Example("doctor", ("ok  redis  1 ms", "...", "0 problems"))
    assert shortened.differences("ok  redis  22 ms\nok  disk\n12 problems\n") == []
    assert shortened.differences("ok  disk\n0 problems\n") == ["- ok redis # ms", "- # problems"]
    narrowed = Example("models list", ("MODEL  ...  CALLS",))
    assert narrowed.differences("MODEL  RPM  CALLS\n") == []
    assert narrowed.differences("MODEL  CALLS  RPM\n") == ["- MODEL ... CALLS", "+ MODEL CALLS RPM"]


def test_examples_are_read_with_what_follows_them() -> None:
    text = "```\n$ manage.py a \\\n  --b\nsaid\nmore\n$ manage.py c\n```\n\n```\nno example\n```\n"
    assert examples(text) == [Example("a   --b", ("said", "more")), Example("c", ())]


def test_all_examples_are_of_documents_whose_examples_are_typed() -> None:
    typed = {"commands.md", "rate-limits.md"}
    assert {path.name for path in DOCUMENTS if TYPED in path.read_text(encoding="utf-8")} == typed
