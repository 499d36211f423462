"""Native routes of runs, batches and webhooks."""
