"""The FastAPI front end: starts workflows and reads results."""
