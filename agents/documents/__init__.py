"""Agents as documents: YAML that people read, compare, keep in a repository and carry to another installation."""
