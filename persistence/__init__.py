"""Postgres: an entity is one file, table and questions together."""
