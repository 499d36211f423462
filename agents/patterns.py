"""Regular expressions of JSON schemas, matched in linear time.

A schema's `pattern` is written by a user and tested against text that a model wrote. Python's `re` tracks back:
`(a+)+$` on thirty letters stops a worker for minutes. Here the parsed expression becomes a small automaton whose states
are followed all at once (Thompson 1968), so a test costs at most states times characters. Look-around, back references,
flags and possessive or atomic groups cannot be matched that way and are refused.
"""

import re
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as sre_parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from workers.errors import InvalidInput

MAX_PATTERN = 1_000
MAX_STATES = 2_000
# States times characters of one search, at up to 0.2 µs each.
MAX_WORK = 5_000_000

Test = Callable[[str], bool]
_CATEGORIES: dict[Any, Test] = {
    sre.CATEGORY_DIGIT: str.isdecimal,
    sre.CATEGORY_NOT_DIGIT: lambda c: not c.isdecimal(),
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
    sre.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
    sre.CATEGORY_NOT_WORD: lambda c: not (c.isalnum() or c == "_"),
}
_BEGINNINGS = (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING)
_ENDS = (sre.AT_END, sre.AT_END_STRING)
_BOUNDARIES = (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY)


class Pattern:
    """A regular expression that is searched for in time linear in the text."""

    def __init__(self, text: str) -> None:
        """Compile `text`. Raises InvalidInput that says why it cannot be used."""
        if len(text) > MAX_PATTERN:
            raise InvalidInput(f"a pattern has at most {MAX_PATTERN} characters, not {len(text)}")
        self.text = text
        # A state is a test of one character or None, and where to go on; without a test it is passed freely.
        self._tests: list[Test | None] = []
        self._nexts: list[list[int]] = []
        self._positions: list[Any] = []
        self._accept = self._state()
        try:
            self._start = self._sequence(_parsed(text), self._accept)
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidInput(f"the pattern '{text}' is not a regular expression that can be used: {error}") from None

    def search(self, text: str) -> bool:
        """Return whether the expression matches anywhere in `text`. `$` is the very end, as in JavaScript.

        Raises InvalidInput where the text is too long for the expression.
        """
        if len(text) * len(self._tests) > MAX_WORK:
            raise InvalidInput(f"{len(text)} characters are too many to be tested against the pattern '{self.text}'")
        current: set[int] = set()
        for index in range(len(text) + 1):
            self._enter(current, [self._start], text, index)
            if self._accept in current:
                return True
            if index < len(text):
                current = self._step(current, text, index)
        return False

    def _step(self, current: Iterable[int], text: str, index: int) -> set[int]:
        reached: set[int] = set()
        char = text[index]
        for state in current:
            test = self._tests[state]
            if test is not None and test(char):
                self._enter(reached, self._nexts[state], text, index + 1)
        return reached

    def _enter(self, states: set[int], todo: Iterable[int], text: str, index: int) -> None:
        """Add `todo` and all that can be reached from it without a character."""
        stack = list(todo)
        while stack:
            state = stack.pop()
            if state in states or not _holds(self._positions[state], text, index):
                continue
            states.add(state)
            if self._tests[state] is None:
                stack.extend(self._nexts[state])

    def _state(self, *nexts: int, test: Test | None = None, position: Any = None) -> int:
        if len(self._tests) >= MAX_STATES:
            raise InvalidInput(f"the pattern '{self.text}' repeats too much: it needs over {MAX_STATES} states")
        self._tests.append(test)
        self._nexts.append(list(nexts))
        self._positions.append(position)
        return len(self._tests) - 1

    def _sequence(self, nodes: Any, after: int) -> int:
        for operation, argument in reversed(list(nodes)):
            after = self._node(operation, argument, after)
        return after

    def _node(self, operation: Any, argument: Any, after: int) -> int:
        if operation is sre.SUBPATTERN and not argument[1] and not argument[2]:
            return self._sequence(argument[3], after)
        if operation is sre.BRANCH:
            return self._state(*(self._sequence(branch, after) for branch in argument[1]))
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, body = argument
            return self._repeat(least, most, body, after)
        if operation is sre.AT and argument in (*_BEGINNINGS, *_ENDS, *_BOUNDARIES):
            return self._state(after, position=argument)
        test = _test_of(operation, argument)
        if test is None:
            raise InvalidInput(
                f"the pattern '{self.text}' uses look-around, back references, flags or atomic groups, which are not "
                "supported"
            )
        return self._state(after, test=test)

    def _repeat(self, least: int, most: int, body: Any, after: int) -> int:
        if most is sre.MAXREPEAT:
            loop = self._state(after)
            self._nexts[loop].append(self._sequence(body, loop))
            after = loop
        else:
            end = after
            for _ in range(most - least):
                after = self._state(self._sequence(body, after), end)
        for _ in range(least):
            before, after = after, self._sequence(body, after)
            if after == before:  # An empty body: `(?:){4000000000}`.
                break
        return after


@lru_cache(maxsize=256)
def compiled(text: str) -> Pattern:
    """Return the compiled pattern of `text`, from a cache. Raises InvalidInput."""
    return Pattern(text)


def _parsed(text: str) -> Any:
    parsed = sre_parser.parse(text)
    if parsed.state.flags != re.UNICODE.value:
        raise InvalidInput(f"the pattern '{text}' sets flags, which are not supported")
    return parsed


def _test_of(operation: Any, argument: Any) -> Test | None:
    if operation is sre.LITERAL:
        return chr(argument).__eq__
    if operation is sre.NOT_LITERAL:
        return chr(argument).__ne__
    if operation is sre.ANY:
        return "\n".__ne__
    return _class_test(argument) if operation is sre.IN else None


def _class_test(items: Any) -> Test:
    negate = items[0][0] is sre.NEGATE
    literals = frozenset(chr(argument) for operation, argument in items if operation is sre.LITERAL)
    ranges = [(chr(argument[0]), chr(argument[1])) for operation, argument in items if operation is sre.RANGE]
    categories = [_CATEGORIES[argument] for operation, argument in items if operation is sre.CATEGORY]

    def test(char: str) -> bool:
        found = char in literals or any(low <= char <= high for low, high in ranges) or any(t(char) for t in categories)
        return found is not negate

    return test


def _holds(position: Any, text: str, index: int) -> bool:
    if position is None:
        return True
    if position in _BEGINNINGS:
        return index == 0
    if position in _ENDS:
        return index == len(text)
    before = index > 0 and _is_word(text[index - 1])
    after = index < len(text) and _is_word(text[index])
    return (before is not after) is (position is sre.AT_BOUNDARY)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
