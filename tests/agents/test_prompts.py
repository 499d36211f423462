import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.prompts import Template, template
from workers.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "columns", "rendered"),
    [
        ("Hello {{ name }}!", {"name": "Ada"}, "Hello Ada!"),
        ("{{name}}{{ name }}{{\tname }}", {"name": "x"}, "xxx"),
        ("{{ Order ID }} of {{ e-mail }}", {"Order ID": 7, "e-mail": "a@b"}, "7 of a@b"),
        (
            "{{ größe }} {{ 名前 }} {{ कीमत }} {{ e\u0301 }}",
            {"größe": 1, "名前": 2, "कीमत": 3, "e\u0301": 4},
            "1 2 3 4",
        ),
        ('{"text": {{{ text }}}}', {"text": "x"}, '{"text": {x}}'),
        ("{{ 2024 }}", {"2024": "year"}, "year"),
        ("no names", {}, "no names"),
        ("", {}, ""),
        ("a\r\n{{ b }}\r\n", {"b": "c"}, "a\r\nc\r\n"),
    ],
)
def test_names_are_substituted(text, columns, rendered):
    assert Template(text).render(columns) == rendered


@pytest.mark.parametrize(
    "text",
    [
        "{{x.__class__}}",
        "{{ x.__class__.__mro__ }}",
        "{0.__init__}",
        "{x}",
        "{% for a in b %}{% endfor %}",
        "{{ x|upper }}",
        "{{ x() }}",
        "{{ x['y'] }}",
        "{{ 1 + 1 }}",
        "{{}}",
        "{{ }}",
        "{{ x\n}}",
        "{{ x",
        "x }}",
        "{{{{}}}}",
        "${x} %(x)s %s",
        "{{ two  spaces }}",
        "{{ no\u00a0break }}",
        "{{ a\x00b }}",
    ],
)
@pytest.mark.security
def test_anything_else_stays_literal(text):
    compiled = Template(text)

    assert compiled.render({"x": "SUBSTITUTED", "": "EMPTY"}) == text
    assert compiled.names == {}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text", "text"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (-0.5, "-0.5"),
        (12345678901234567890, "12345678901234567890"),
        ({"a": [1, None], "ü": "é"}, '{"a":[1,null],"ü":"é"}'),
        ([], "[]"),
        ({"__type__": "x", "__value__": 1}, '{"__type__":"x","__value__":1}'),
    ],
)
def test_values_are_shown_as_text_or_compact_json(value, shown):
    assert Template("<{{ v }}>").render({"v": value}) == f"<{shown}>"


@pytest.mark.security
def test_substituted_text_is_never_scanned_again():
    columns = {"a": "{{ b }}", "b": "{{ a }}{{ secret }}", "secret": "hidden"}

    assert Template("{{ a }}{{ b }}").render(columns) == "{{ b }}{{ a }}{{ secret }}"


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(), min_size=1), st.text("{} ab\n"))
def test_rendering_is_a_single_replacement_of_each_placeholder(columns, between):
    names = list(columns)
    text = "|".join(f"{{{{ {name} }}}}" for name in names)

    assert Template(text).render(columns) == "|".join(columns[name] for name in names)
    # Text without a name in it never changes, whatever braces it holds.
    assert Template(between.replace("a", "").replace("b", "")).render(columns) == between.replace("a", "").replace(
        "b", ""
    )


def test_names_know_their_first_line():
    compiled = Template("first\n{{ b }} {{ a }}\n\n{{ a }}{{ c }}")

    assert compiled.names == {"b": 2, "a": 2, "c": 4}


def test_check_names_the_line_the_name_and_a_close_match():
    with pytest.raises(InvalidInput) as error:
        Template("Sort:\n\n{{ tickt }}").check(["customer", "ticket"])

    assert str(error.value) == (
        "prompt, line 3: there is no column 'tickt'. Did you mean 'ticket'? Available: customer, ticket"
    )


def test_check_accepts_what_is_available():
    Template("{{ a }} {{ b.c }}").check({"a": 1, "z": 2})


def test_check_of_an_input_without_columns():
    with pytest.raises(InvalidInput, match="line 1: there is no column 'a': the input has no columns"):
        Template("{{ a }}").check([])


def test_check_lists_few_of_many_columns():
    with pytest.raises(InvalidInput) as error:
        Template("{{ x }}").check([f"column {n}" for n in range(5000)])

    assert str(error.value).endswith("and 4980 more")


def test_a_column_whose_name_no_placeholder_can_have_is_told():
    with pytest.raises(InvalidInput, match=r"line 2: the column 'Price \(EUR\)' cannot be used.*Rename the column"):
        Template("\n{{ Price (EUR) }}").check(["Price (EUR)"])


def test_rendering_names_a_missing_column():
    with pytest.raises(InvalidInput, match="line 2: there is no column 'b'"):
        Template("{{ a }}\n{{ b }}").render({"a": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}])
def test_a_value_that_is_not_json_is_refused_by_name(value):
    with pytest.raises(InvalidInput, match="column 'v'"):
        Template("{{ v }}").render({"v": value})


@pytest.mark.parametrize("text", ["{{" * 500_000, "{{ a" * 300_000, "{" * 1_000_000, "{{ " + "a" * 1_000_000])
def test_hostile_templates_compile_in_linear_time(text):
    started = time.perf_counter()

    assert Template(text).render({}) == text
    assert time.perf_counter() - started < 2


def test_a_template_is_compiled_once():
    assert template("{{ once }}") is template("{{ once }}")
