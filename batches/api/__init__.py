"""Native routes of runs, batches, webhooks and stored answers."""
