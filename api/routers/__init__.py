"""One file per resource: its routes, with their permissions in the signature."""
