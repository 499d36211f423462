import pytest

from agents.selectors import Reference, get_agent, get_version, list_agents, parse_reference
from tests.support.factories import make_agent, make_superuser, make_user, make_version
from workers.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "reference"),
    [("triage", Reference("triage")), ("triage@3", Reference("triage", 3)), ("a-b_c@12", Reference("a-b_c", 12))],
)
def test_references_are_read(text, reference):
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text", ["", "@3", "a@", "a@0", "a@-1", "a@x", "a@1@2", "a@1.5", "a@²", "a@99999999999", "a@1\n"]
)
def test_other_references_are_refused(text):
    with pytest.raises(InvalidInput, match="slug@3"):
        parse_reference(text)


@pytest.mark.django_db
class TestVersions:
    @pytest.fixture
    def agent(self):
        agent = make_agent(slug="triage")
        make_version(agent, prompt="second")
        return agent

    def test_a_slug_is_the_current_version(self, agent):
        assert get_version(agent.owner, "triage").number == 2

    def test_a_number_pins(self, agent):
        assert get_version(agent.owner, "triage@1").number == 1

    def test_a_version_comes_with_its_agent_and_credential(self, agent, django_assert_num_queries):
        version = get_version(agent.owner, "triage")

        with django_assert_num_queries(0):
            assert version.agent.owner == agent.owner
            assert version.credential.name

    def test_a_number_that_is_not_there_is_told_with_the_latest(self, agent):
        with pytest.raises(InvalidInput, match="'triage' has no version 7; the latest is 2"):
            get_version(agent.owner, "triage@7")

    @pytest.mark.parametrize("slug", ["triag", "Triage"])
    def test_a_wrong_slug_is_told_with_a_close_one(self, agent, slug):
        with pytest.raises(InvalidInput, match=f"There is no agent '{slug}'. Did you mean 'triage'"):
            get_version(agent.owner, slug)

    @pytest.mark.parametrize("slug", ["a\x00b", "'; DROP TABLE agents_agent; --", "x" * 100_000])
    def test_hostile_slugs_are_not_found(self, agent, slug):
        with pytest.raises(InvalidInput, match="There is no agent"):
            get_agent(agent.owner, slug)

    def test_a_stranger_sees_nothing_not_even_by_a_hint(self, agent):
        stranger = make_user()

        for reference in ("triage", "triage@1", "triag"):
            with pytest.raises(InvalidInput, match="There is no agent") as error:
                get_version(stranger, reference)
            assert "Did you mean" not in str(error.value)
        assert not list_agents(stranger).exists()

    def test_a_superuser_sees_all(self, agent):
        assert get_version(make_superuser(), "triage@1").number == 1

    def test_a_list_needs_one_query(self, agent, django_assert_num_queries):
        make_agent(agent.owner)

        with django_assert_num_queries(1):
            names = [found.current_version.credential.name for found in list_agents(agent.owner)]
        assert len(names) == 2
