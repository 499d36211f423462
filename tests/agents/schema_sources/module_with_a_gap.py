"""A module that needs one that is not there."""

import no_such_module_anywhere  # noqa: F401
