"""Agents carried from one place to another: exactly, whole or not at all."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.documents.differences import differences
from agents.documents.form import content_document, document_of, documents_text
from agents.documents.importing import import_documents
from agents.documents.yaml_text import read_documents
from agents.models import Agent, AgentState, AgentVersion
from agents.services import create_agent, new_version
from agents.validation import CONTENT, LIMITS, content_of
from credentials.models import User
from tests.support.factories import make_agent, make_credential, make_superuser
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9).filter(lambda f: f != 0) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
# Values of each field, as `agents.services.create_agent` takes them; a field that is not here has its default.
FIELDS = {
    "instructions": TEXTS,
    "prompt": TEXTS.map(lambda text: f"{text}\n{{{{ ticket }}}} {text}"),
    "parameters": st.dictionaries(TEXTS, JSON, max_size=3).map(lambda it: {"metadata": it}),
    "output_schema": st.none() | TEXTS.map(lambda text: {"type": "object", "description": text}),
    "abilities": st.lists(st.sampled_from(["calculator", "now"]), unique=True),
    "retry": st.fixed_dictionaries({"max_tries": st.integers(1, 5), "base_seconds": st.floats(0.5, 5)}),
    "limits": st.fixed_dictionaries(
        {
            "max_steps": st.integers(1, 1000),
            "max_tokens": st.none() | st.integers(1, 2**31 - 1),
            "max_seconds": st.floats(0.1, 86_400),
            "max_cost": st.none() | st.decimals(0, 999_999, places=6),
            "max_repairs": st.integers(0, 5),
        }
    ),
    "cache_seconds": st.none() | st.integers(1, 86_400),
    "attachments": st.lists(st.sampled_from(["photo", "scan", "contract"]), unique=True),
    "pool": st.none() | st.just(["sim/sim-1=3", {"credential": "sim", "model": "sim-2", "weight": 2}]),
}
VERSIONS = st.fixed_dictionaries({"prompt": FIELDS.pop("prompt")}, optional=FIELDS)


@pytest.fixture
def admin() -> User:
    admin = make_superuser(username="admin")
    make_credential(admin, name="sim", key="sk-secret-that-must-not-leak")
    return admin


def text_of(*versions: AgentVersion) -> str:
    return documents_text(versions)


def full_agent(admin: User, slug: str = "triage") -> Agent:
    return create_agent(
        admin, slug=slug, credential="sim", model="sim-1", prompt="Sort.\n{{ ticket }}", limits={"max_cost": "0.25"}
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=VERSIONS)
def test_an_export_is_imported_as_an_equal_version(admin: User, content: dict) -> None:
    agent = create_agent(admin, slug="triage", credential="sim", model="sim-1", **content)
    version = agent.current_version
    assert version
    documents = read_documents(text_of(version))
    assert documents == [json.loads(json.dumps(document_of(version)))]

    (same,) = import_documents(admin, documents)
    assert (same.action, same.version) == ("unchanged", version)

    (other,) = import_documents(admin, [{**documents[0], "slug": "copy"}])
    assert other.action == "created"
    stored = AgentVersion.objects.get(pk=other.version.pk)
    assert content_of(stored) == content_of(AgentVersion.objects.get(pk=version.pk))
    Agent.objects.update(current_version=None)
    AgentVersion.objects.all().delete()
    Agent.objects.all().delete()


def test_a_document_has_every_field_of_a_version(admin: User) -> None:
    version = full_agent(admin).current_version
    assert version
    document = document_of(version)
    assert {*document, *document["limits"]} >= {*CONTENT, *LIMITS}
    assert content_document(content_of(version)).items() <= document.items()


def test_a_document_holds_no_key(admin: User) -> None:
    text = text_of(full_agent(admin).current_version)
    assert "credential: sim\n" in text
    assert "leak" not in text


def test_every_version_of_an_agent_can_be_carried(admin: User) -> None:
    agent = full_agent(admin)
    first = agent.current_version
    second = new_version(admin, agent, prompt="Other.", note="why")
    documents = read_documents(text_of(first, second))
    done = import_documents(admin, [{**document, "slug": "copy"} for document in documents])
    assert [(it.action, it.version.number) for it in done] == [("created", 1), ("updated", 2)]
    assert done[1].version.note == "why"


def test_versions_that_are_there_already_are_not_made_again(admin: User) -> None:
    agent = make_agent(admin, slug="triage", prompt="One {{ ticket }}")
    for prompt in ("Two {{ ticket }}", "Three {{ ticket }}"):
        new_version(admin, agent, prompt=prompt)
    documents = read_documents(text_of(*agent.versions.order_by("number")))

    assert [(each.action, each.version.number) for each in import_documents(admin, documents)] == [
        ("unchanged", 1), ("unchanged", 2), ("unchanged", 3),
    ]  # fmt: skip
    assert [each.version.number for each in import_documents(admin, documents[1:])] == [2, 3]
    four = {**documents[2], "prompt": "Four {{ ticket }}"}
    done = import_documents(admin, [*documents[1:], four])
    assert [(each.action, each.version.number) for each in done] == [("unchanged", 2), ("unchanged", 3), ("updated", 4)]
    # What is no longer the latest comes again, in its place.
    done = import_documents(admin, documents[:2])
    assert [(each.action, each.version.number) for each in done] == [("updated", 5), ("updated", 6)]
    agent.refresh_from_db()
    assert agent.current_version.prompt == "Two {{ ticket }}"


def test_what_a_document_leaves_out_has_its_default_also_where_the_agent_had_something_else(admin: User) -> None:
    agent = full_agent(admin)
    (document,) = read_documents(text_of(agent.current_version))
    del document["limits"]
    (done,) = import_documents(admin, [document])
    assert (done.action, done.version.number, done.version.max_cost) == ("updated", 2, None)


def test_name_description_and_state_are_carried_without_a_new_version(admin: User) -> None:
    agent = full_agent(admin)
    (document,) = read_documents(text_of(agent.current_version))
    (done,) = import_documents(admin, [{**document, "name": "Triage", "state": "paused"}])
    agent.refresh_from_db()
    assert (done.action, done.version.number, agent.name, agent.state) == ("updated", 1, "Triage", AgentState.PAUSED)
    (new,) = import_documents(admin, [{**document, "slug": "copy", "state": "draft"}])
    assert new.version.agent.slug == "copy"
    assert Agent.objects.get(slug="copy").state == AgentState.DRAFT


def test_an_agent_that_makes_embeddings_is_carried(admin: User) -> None:
    agent = create_agent(
        admin, slug="vectors", credential="sim", model="sim-embed", prompt="{{ text }}", operation="embeddings"
    )
    (document,) = read_documents(text_of(agent.current_version))
    (same,) = import_documents(admin, [document])
    assert (document["operation"], same.action) == ("embeddings", "unchanged")


def test_another_credential_stands_in_for_all_of_a_pool(admin: User) -> None:
    make_credential(admin, name="other")
    agent = create_agent(admin, slug="pooled", prompt="{{ text }}", pool=["sim/a=2", "sim/b"])
    (document,) = read_documents(text_of(agent.current_version))
    (done,) = import_documents(admin, [document], credential="other")
    assert [str(entry) for entry in content_of(done.version)["pool"]] == ["other/a=2", "other/b"]
    (back,) = import_documents(admin, [{**document, "pool": None}])
    assert content_of(back.version)["pool"] == ()


def test_another_credential_can_stand_in(admin: User) -> None:
    (document,) = read_documents(text_of(full_agent(admin).current_version))
    make_credential(admin, name="other")
    (done,) = import_documents(admin, [{**document, "credential": "gone"}], credential="other")
    assert done.version.credential.name == "other"


def test_a_dry_run_checks_everything_and_keeps_nothing(admin: User) -> None:
    (document,) = read_documents(text_of(full_agent(admin).current_version))
    (done,) = import_documents(admin, [{**document, "slug": "copy", "model": "sim-2"}], dry_run=True)
    assert (done.action, str(done.version)) == ("created", "copy@1")
    assert not Agent.objects.filter(slug="copy").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"propmt": "x"}, r"document 2 \(copy\): 'propmt' is not a field; did you mean 'prompt'\?"),
        ({"command": "rm"}, r"document 2 \(copy\): 'command' is not a field"),
        ({"credential": "gone"}, r"document 2 \(copy\): There is no credential 'gone'"),
        ({"credential": None}, r"document 2 \(copy\): credential is required"),
        ({"model": 4}, r"document 2 \(copy\): model must be a text, not int; put it in quotes"),
        ({"limits": {"max_steps": "ten"}}, r"document 2 \(copy\): limits\.max_steps must be a whole number"),
        ({"limits": {"max_stepz": 1}}, r"document 2 \(copy\): limits\.max_stepz is not a limit"),
        ({"limits": [1]}, r"document 2 \(copy\): limits must be an object"),
        ({"abilities": ["shell"]}, r"document 2 \(copy\): abilities: "),
        ({"parameters": []}, r"document 2 \(copy\): parameters must be a JSON object"),
        ({"output_schema": "x"}, r"document 2 \(copy\): "),
        ({"pool": ["sim/a"]}, r"document 2 \(copy\): pool has 1 members"),
        ({"pool": ["gone/a", "sim/b"]}, r"document 2 \(copy\): There is no credential 'gone'"),
        ({"cache_seconds": "1h"}, r"document 2 \(copy\): cache_seconds must be a whole number"),
        ({"operation": "shell"}, r"document 2 \(copy\): operation"),
        ({"retry": {"strategy": "never"}}, r"document 2 \(copy\): "),
        ({"state": "gone"}, r"document 2 \(copy\): state must be one of"),
        ({"state": ["active"]}, r"document 2 \(copy\): state must be a text"),
        ({"slug": None}, r"document 2: slug is required"),
        ({"slug": 3}, r"document 2: slug must be a text"),
        ({"slug": "../x"}, r"document 2 \(\.\./x\): "),
        ({"slug": "a\x00"}, r"document 2 \(a\x00\): "),
        ({"format": 2}, r"document 2 \(copy\): format must be 1, not '2'"),
        ({"format": None}, r"document 2 \(copy\): format must be 1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_one_bad_field_is_named_and_nothing_is_imported(admin: User, change: dict, told: str) -> None:
    (document,) = read_documents(text_of(full_agent(admin).current_version))
    good = {**document, "slug": "good"}
    with pytest.raises(InvalidInput, match=told):
        import_documents(admin, [good, {**document, "slug": "copy", **change}])
    assert set(Agent.objects.values_list("slug", flat=True)) == {"triage"}


@pytest.mark.parametrize("document", [1, "x", [], True])
def test_what_is_no_document_is_refused(admin: User, document: object) -> None:
    with pytest.raises(InvalidInput, match="document 1: must be an object"):
        import_documents(admin, [document])


@pytest.mark.security
def test_an_agent_of_somebody_else_is_neither_changed_nor_shown(admin: User) -> None:
    make_agent(slug="theirs")
    stranger = make_agent().owner
    make_credential(stranger, name="mine")
    (document,) = read_documents(text_of(full_agent(admin).current_version))
    with pytest.raises(InvalidInput, match=r"slug: there already is an agent 'theirs'|slug"):
        import_documents(stranger, [{**document, "slug": "theirs", "credential": "mine"}])
    assert Agent.objects.get(slug="theirs").versions.count() == 1
    with pytest.raises(InvalidInput, match="There is no credential 'sim'"):
        import_documents(stranger, [{**document, "slug": "new"}])


def test_versions_differ_field_by_field_and_texts_by_line(admin: User) -> None:
    agent = full_agent(admin)
    first = agent.current_version
    second = new_version(admin, agent, prompt="Sort!\n{{ ticket }}", limits={"max_cost": Decimal("0.5")})
    prompt, limits = differences(first, second)
    assert prompt.lines() == ["@@ prompt @@", " prompt: |-", "-  Sort.", "+  Sort!", "   {{ ticket }}"]
    assert [line for line in limits.lines() if line[0] in "+-"] == ["-  max_cost: 0.25", "+  max_cost: 0.5"]
    assert differences(first, first) == []
