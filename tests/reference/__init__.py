"""The reference pages under docs/reference, made from the tables."""
