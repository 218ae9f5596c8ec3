"""The `codeai` command: one file per group of commands."""
