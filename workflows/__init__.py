"""Temporal workflows: deterministic, no I/O; they see the language and their contracts only."""
