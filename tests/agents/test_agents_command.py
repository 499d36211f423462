import json

import pytest

from agents.llm.types import Usage
from agents.models import Agent, AgentVersion
from agents.services import update_agent
from agents.trying import Outcome
from tests.support.commands import run_command
from tests.support.factories import make_agent, make_credential, make_superuser, make_user, make_version

pytestmark = pytest.mark.django_db
ECHO = '{"reply": "echo", "latency": 0}'


@pytest.fixture
def admin():
    return make_superuser(username="admin")


@pytest.fixture
def sim(admin):
    return make_credential(admin, name="sim")


def agents(*arguments):
    return run_command("agents", *arguments)


def create(*more, slug="triage"):
    return agents("create", slug, "--credential", "sim", "--model", "sim-1", "--prompt", "{{ ticket }}", *more)


def test_create_says_what_it_made(sim):
    result = create()

    assert (result.code, result.out, result.err) == (0, "Created triage@1 on sim/sim-1.\n", "")
    assert Agent.objects.get().owner.username == "admin"


def test_a_model_that_a_pool_would_pass_over_is_refused(sim):
    pool = ("--pool", "sim/sim-2=3", "--pool", "sim/sim-1")
    result = create(*pool)
    assert result.code == 2
    assert "--model: with a pool it is that of the first member, sim/sim-2; leave it out" in result.err
    assert create("--model", "sim-2", *pool).code == 0


def test_a_placeholder_that_lacks_a_brace_is_remarked_on(sim):
    result = agents("create", "typo", "--model", "sim/a", "--prompt", '{"a": {"b": "{{ text }"}} {{ ticket }}')
    assert result.code == 0
    assert result.err == "prompt: '{{ text }' is sent as it stands; a placeholder is '{{ text }}'.\n"
    assert agents("update", "typo", "--prompt", '{"a": {"b": "{{ text }}"}}').err == ""


def test_a_file_of_answers_is_no_schema_but_may_give_one(sim, tmp_path):
    (tmp_path / "answers.csv").write_text("answer\n{}\n")
    assert f"examples:{tmp_path}/answers.csv#COLUMN" in create("--schema", f"{tmp_path}/answers.csv").err


def test_embeddings_are_refused_where_the_provider_has_none(admin):
    make_credential(admin, name="sim", provider="anthropic", key="sk-x")
    result = create("--operation", "embeddings")
    assert result.code == 2
    assert "operation: the provider 'anthropic' has no embeddings" in result.err


def test_create_takes_everything_a_version_is_made_of(sim, tmp_path):
    (tmp_path / "instructions.txt").write_text("\ufeffBe brief.\nBe kind.", encoding="utf-8")
    (tmp_path / "schema.json").write_text('{"type": "object"}')

    result = create(
        *("--instructions", f"@{tmp_path}/instructions.txt", "--schema", f"{tmp_path}/schema.json"),
        *("--param", "temperature=0.5", "--param", "stop=END", "--param", f"simulated={ECHO}"),
        *("--ability", "calculator", "--ability", "now", "--max-steps", "4", "--max-tokens", "900"),
        *("--max-repairs", "1", "--attach", "photo", "--cache", "12h"),
        *("--max-seconds", "30", "--max-cost", "0.10", "--retry", "strategy=linear", "--retry", "max_tries=2"),
        *("--name", "Triage", "--description", "Sorts.", "--note", "first", "--json"),
    )

    assert result.code == 0, result.err
    shown = result.data
    assert shown["instructions"] == "Be brief.\nBe kind."
    assert shown["output_schema"] == {"type": "object"}
    assert shown["parameters"] == {"temperature": 0.5, "stop": "END", "simulated": {"reply": "echo", "latency": 0}}
    assert shown["abilities"] == ["calculator", "now"]
    assert shown["limits"] == {"max_steps": 4, "max_tokens": 900, "max_seconds": 30, "max_cost": 0.1, "max_repairs": 1}
    assert (shown["operation"], shown["pool"], shown["attachments"]) == ("chat", [], ["photo"])
    assert shown["cache_seconds"] == 43_200
    assert (shown["retry"]["strategy"], shown["retry"]["max_tries"]) == ("linear", 2)
    assert (shown["name"], shown["description"], shown["note"], shown["created_by"]) == (
        "Triage",
        "Sorts.",
        "first",
        "admin",
    )


def test_the_model_may_name_its_credential(sim):
    result = agents("create", "triage", "--model", "sim/vendor/sim-1", "--prompt", "{{ a }}")

    assert result.code == 0
    assert (AgentVersion.objects.get().credential, AgentVersion.objects.get().model) == (sim, "vendor/sim-1")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--param", "temperature"), "--param must look like NAME=VALUE"),
        (("--param", "=1"), "--param must look like NAME=VALUE"),
        (("--retry", "max_tries=many"), "retry.max_tries"),
        (("--max-steps", "many"), "limits.max_steps must be a whole number"),
        (("--max-cost", "-1"), "limits.max_cost"),
        (("--ability", "shell"), "there is no ability 'shell'"),
        (("--schema", "/nowhere/schema.json"), "/nowhere/schema.json: No such file"),
        (("--instructions", "@/nowhere"), "/nowhere: No such file"),
        (("--as", "nobody"), "There is no user 'nobody'"),
        (("--shema", "x"), "unrecognized arguments"),
    ],
)
def test_bad_arguments_end_with_2_and_one_line(sim, more, told):
    result = create(*more)

    assert result.code == 2
    assert told in result.err
    assert "Traceback" not in result.err
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"type": ', "--schema is not JSON: line 1, column 10"),
        (b"\xff\xfe", "is not UTF-8: byte 0"),
        (b"[" * 100_000, "--schema is not JSON that can be read"),
        (b"[]", "output_schema must be a JSON object"),
    ],
)
def test_a_schema_file_that_is_no_schema_is_told(sim, tmp_path, content, told):
    (tmp_path / "schema.json").write_bytes(content)

    result = create("--schema", str(tmp_path / "schema.json"))

    assert result.code == 2
    assert told in result.err


def test_update_changes_what_is_given_and_keeps_the_rest(sim):
    create("--param", "temperature=0", "--param", "top_p=1", "--max-cost", "1", "--ability", "now")

    result = agents(
        *("update", "triage", "--instructions", "Be brief.", "--param", "temperature=1", "--drop-param", "top_p"),
        *("--max-cost", "none", "--ability", "none", "--name", "Triage"),
    )

    assert (result.code, result.out) == (0, "Updated triage@2 on sim/sim-1.\n")
    version = AgentVersion.objects.get(number=2)
    assert (version.prompt, version.instructions) == ("{{ ticket }}", "Be brief.")
    assert (version.parameters, version.max_cost, version.abilities) == ({"temperature": 1}, None, [])
    assert Agent.objects.get().name == "Triage"


def test_update_without_a_change_makes_no_version(sim):
    create()

    assert agents("update", "triage", "--prompt", "{{ ticket }}").out == "Unchanged triage@1 on sim/sim-1.\n"


def test_update_of_the_words_alone_makes_no_version(sim):
    create()

    result = agents("update", "triage", "--state", "paused")

    assert result.out == "Updated triage@1 on sim/sim-1.\n"
    assert Agent.objects.get().state == "paused"


def test_update_changes_all_or_nothing(sim):
    create()

    result = agents("update", "triage", "--prompt", "{{ other }}", "--name", "T", "--description", "x" * 10_001)

    assert result.code == 2
    assert "description" in result.err
    agent = Agent.objects.get()
    assert (AgentVersion.objects.count(), agent.current_version.number, agent.name) == (1, 1, "")


def test_list_shows_ones_own(admin):
    make_agent(admin, slug="mine", name="Mine")
    owner = make_user(username="other")
    make_agent(owner, slug="theirs")

    assert [agent["slug"] for agent in agents("list", "--json").data] == ["mine", "theirs"]
    assert [agent["slug"] for agent in agents("list", "--json", "--as", "other").data] == ["theirs"]
    header, line = agents("list", "--as", "other").out.splitlines()
    assert header.split() == ["SLUG", "VERSION", "MODEL", "STATE", "NAME", "UPDATED"]
    assert line.split()[:2] == ["theirs", "1"]


def test_list_without_agents_says_how_to_make_one(admin):
    assert "agents create" in agents("list").out


def test_show_shows_the_current_version_or_a_pinned_one(admin):
    agent = make_agent(admin, slug="triage")
    make_version(agent, prompt="line 1\nline 2")

    assert "prompt:\n  line 1\n  line 2" in agents("show", "triage").out
    assert agents("show", "triage@1", "--json").data["prompt"] == "{{ text }}"
    assert agents("show", "triage@3").code == 2
    assert "Did you mean 'triage'" in agents("show", "triagee").err


@pytest.mark.security
def test_a_stranger_sees_and_runs_nothing(admin):
    make_agent(admin, slug="triage")
    make_user(username="stranger")

    for arguments in (("show", "triage"), ("run", "triage", "--input", "{}"), ("update", "triage", "--prompt", "x")):
        result = agents(*arguments, "--as", "stranger")
        assert (result.code, result.out) == (2, "")
        assert "There is no agent 'triage'." in result.err


# Trying out


def test_run_prints_the_answer_and_what_it_used(admin):
    make_agent(admin, slug="echo")

    result = agents("run", "echo", "--input", '{"text": "hello there"}')

    assert result.code == 0, result.err
    answer, _, facts = result.out.splitlines()
    assert answer == "hello there"
    assert "1 step" in facts
    assert "tokens (input + output)" in facts


def test_run_prints_a_record_as_json(admin, tmp_path):
    make_agent(admin, slug="echo")
    (tmp_path / "input.json").write_text('{"text": "hello"}')

    record = agents("run", "echo@1", "--input", f"@{tmp_path}/input.json", "--json").data

    assert (record["status"], record["output"], record["parsed"], record["error"]) == ("succeeded", "hello", None, None)
    assert record["usage"]["total_tokens"] == record["usage"]["input_tokens"] + record["usage"]["output_tokens"] > 0
    assert record["steps"] == 1


def test_run_streams_the_text_once(admin):
    make_agent(admin, slug="echo")

    result = agents("run", "echo", "--input", '{"text": "hello there \\u001b[31m"}', "--stream")

    assert result.code == 0
    assert result.out.count("hello there") == 1
    assert "\x1b" not in result.out
    assert "1 step" in result.out


def test_run_takes_a_chat_body(admin):
    make_agent(admin, slug="echo")
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}]})

    assert agents("run", "echo", "--chat", "--input", body).out.startswith("hi\n")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("hello", "--input is not JSON: line 1, column 1"),
        ("[1]", "must be a JSON object"),
        ('{"txt": "x"}', "prompt, line 1: there is no column 'text'. Did you mean 'txt'"),
        ("@/nowhere", "/nowhere: No such file"),
    ],
)
def test_run_with_a_wrong_input_ends_with_2(admin, value, told):
    make_agent(admin, slug="echo")

    result = agents("run", "echo", "--input", value)

    assert result.code == 2
    assert told in result.err


def test_a_run_that_fails_ends_with_1_and_tells_what_it_used(admin):
    make_agent(admin, slug="echo", output_schema={"type": "object"}, parameters={"simulated": {"reply": "invalid"}})

    result = agents("run", "echo", "--input", '{"text": "x"}')

    assert result.code == 1
    assert "schema_mismatch" in result.err
    assert "Used until it failed:" in result.err


def test_a_run_that_fails_prints_its_record_as_json(admin):
    make_agent(admin, slug="echo", max_tokens=1)

    result = agents("run", "echo", "--input", '{"text": "many words here"}', "--json")

    assert result.code == 1
    assert (result.data["status"], result.data["error"]["code"]) == ("failed", "limit_tokens")
    assert result.data["error"]["category"] == "permanent"
    assert result.data["usage"]["total_tokens"] > 1


def test_a_run_uses_its_abilities(admin):
    script = [{"name": "calculator", "arguments": {"expression": "6*7"}}]
    make_agent(
        admin, slug="sums", abilities=["calculator"], parameters={"simulated": {"tool_calls": script, "latency": 0}}
    )

    record = agents("run", "sums", "--input", '{"text": "what is 6 times 7?"}', "--json").data

    assert record["steps"] == 2
    assert "42" in record["output"]


def test_a_disabled_credential_runs_nothing(admin):
    make_agent(admin, slug="echo", credential=make_credential(admin, name="off", is_active=False))

    result = agents("run", "echo", "--input", '{"text": "hello"}')

    assert (result.code, result.out) == (1, "")
    assert "The credential 'off' is disabled." in result.err


@pytest.mark.parametrize(("state", "code"), [("draft", 0), ("active", 0), ("paused", 2), ("archived", 2)])
def test_drafts_are_tried_out_but_no_paused_or_archived_agents(admin, state, code):
    agent = make_agent(admin, slug="echo")
    update_agent(admin, agent, state=state)

    result = agents("run", "echo", "--input", '{"text": "hello"}')

    assert result.code == code, result.err
    assert (f"agent 'echo' is {state}" in result.err) is bool(code)


def test_a_try_out_tells_what_was_cached_and_thought():
    outcome = Outcome(usage=Usage(1200, 50, cached_tokens=1000, reasoning_tokens=40), steps=1)
    assert "1,200 + 50 tokens (input + output; 1,000 cached, 40 reasoning)" in outcome.facts()
    assert outcome.as_dict()["usage"]["reasoning_tokens"] == 40
