"""The integration client: the one way out of the platform."""
