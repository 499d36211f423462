"""Limits that all worker processes share through Redis: a call reserves its start and sleeps until then."""
