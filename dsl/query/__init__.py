"""The query language: text to a checked, immutable tree. Pure, as all of dsl."""
