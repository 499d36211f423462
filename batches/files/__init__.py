"""Uploaded files: received while they come, kept in a storage, listed, read and deleted."""
