"""Every persisted execution: batches, runs, attempts, events, inputs, results."""
