import pytest

from agents.abilities.grants import parse_grant
from workers.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("calculator", "calculator", {}),
        (" calculator() ", "calculator", {}),
        ("web_search(max_results=5)", "web_search", {"max_results": 5}),
        ("a(x=-1.5, y='it', z=True, n=None)", "a", {"x": -1.5, "y": "it", "z": True, "n": None}),
        ('a(x=["p", {"q": false}], y=null)', "a", {"x": ["p", {"q": False}], "y": None}),
    ],
)
def test_grants_are_read(text, name, settings):
    grant = parse_grant(text)

    assert (grant.name, grant.settings) == (name, settings)
    assert parse_grant(str(grant)) == grant


def test_a_grant_is_written_in_one_way():
    assert str(parse_grant("a( y = 'b',x=True )")) == 'a(x=true, y="b")'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "calculator(",
        "a.b",
        "os.system('x')",
        "a(1)",
        "a(*x)",
        "a(**x)",
        "a(x=1, x=2)",
        "a(x=y)",
        "a(x=open('/etc/passwd'))",
        "a(x=1+1)",
        "a(x=(1, 2))",
        "a(x={1: 2})",
        "a(x=b'bytes')",
        "a(x=...)",
        "a(x=1e999)",
        "a(x=10**9)",
        "a(x='\\x00')",
        "a(x=99999999999999999999999999)",
        "a; b",
        "a\x00",
        "(" * 400,
        "a(x=" + "[" * 200 + "]" * 200 + ")",
        "x" * 501,
        None,
        5,
        ["calculator"],
    ],
)
def test_anything_else_is_refused_with_the_form(text):
    with pytest.raises(InvalidInput, match="calculator"):
        parse_grant(text)
