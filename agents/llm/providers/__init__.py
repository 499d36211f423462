"""Providers of language models, each in its own module, and the registry that finds them by name."""
