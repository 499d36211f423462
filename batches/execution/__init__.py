"""How runs are executed: claimed under a lease, run in the process' loop, stored behind a fence, wound up from rows."""
