"""Servers that Arboretum starts for itself where none is given: Valkey from its wheel."""
