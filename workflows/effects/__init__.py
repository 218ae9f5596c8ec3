"""How a run's effects are performed in workflow code: a file for each sort, one function an effect."""
