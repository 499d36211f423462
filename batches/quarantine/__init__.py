"""Quarantine: suspects run in a throw-away child of a worker, so that one which kills its process kills nobody else's.

`keeper` is the worker's side, `child` what the child does; `python -m batches.quarantine` is the child.
"""
