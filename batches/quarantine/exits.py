"""How a child ends by itself, as its exit code says. Anything else is its death, for which its runs may be blamed."""

ENDED = 0
# It could not go on, as without a database, or for a fault of ours. Python itself exits with 1 and argparse with 2.
FAILED = 3
