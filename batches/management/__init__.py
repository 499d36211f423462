"""Commands of `batches`."""
