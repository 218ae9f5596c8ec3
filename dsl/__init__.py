"""The language: text, tokens, tree, checked tree, program, machine. Pure: no I/O, nothing of ours."""
