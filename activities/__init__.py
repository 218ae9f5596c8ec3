"""All I/O: what workflows ask to be done in the world."""
