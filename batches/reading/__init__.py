"""The input of a batch of requests, read by a worker: each line is checked and becomes a row, a chunk at a time."""
