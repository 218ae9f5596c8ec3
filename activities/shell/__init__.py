"""Shell commands that outlive their worker (fork server, supervisor, attendant, spool)."""
