"""Error codes: every code has exactly one category."""

from workers.errors import SYSTEM_CODES, TRANSIENT_CODES, ErrorCategory, ErrorCode, WorkError


def test_every_code_has_one_category() -> None:
    assert not TRANSIENT_CODES & SYSTEM_CODES
    assert {code.category for code in TRANSIENT_CODES} == {ErrorCategory.TRANSIENT}
    assert {code.category for code in SYSTEM_CODES} == {ErrorCategory.SYSTEM}
    assert ErrorCode.INVALID_KEY.category is ErrorCategory.PERMANENT


def test_the_code_decides_whether_an_error_is_transient() -> None:
    assert WorkError(ErrorCode.TIMEOUT, "too long").is_transient
    assert not WorkError(ErrorCode.NOT_FOUND, "no such model").is_transient
    assert not WorkError(ErrorCode.POISON, "kills").is_transient


def test_an_error_tells_limits_only_where_it_was_given_some() -> None:
    assert WorkError(ErrorCode.RATE_LIMITED, "slow down").rate_limits == {}
    told = {"x-ratelimit-limit-requests": "5"}
    assert WorkError(ErrorCode.RATE_LIMITED, "slow down", rate_limits=told).rate_limits == told
