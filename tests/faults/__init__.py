"""`make faults`: breaks things while batches run, on real servers and worker processes, and says what came of it."""
