"""Completion in shells: scripts made from the real parsers, and the names that only the database knows."""
