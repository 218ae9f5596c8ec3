"""The integration client: the one way out of the platform, for activities and for the API."""
