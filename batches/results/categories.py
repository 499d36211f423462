"""The category of an error code."""

from workers.errors import ErrorCategory, ErrorCode

_CATEGORIES = {code.value: code.category.value for code in ErrorCode}


def category_of(code: str) -> str:
    """Return the category of an error code; a code that this release does not know is the system's."""
    return _CATEGORIES.get(code, ErrorCategory.SYSTEM.value)
