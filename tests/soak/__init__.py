"""Every item of "What must hold" at its full size: a file for each capability."""
