"""Worker processes: which queue registers what, and how they run."""
