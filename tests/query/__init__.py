"""The query language: its tree, its SQL, its answers."""
