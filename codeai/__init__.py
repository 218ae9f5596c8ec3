"""CodeAI: deployments as small scripts that run durably on Temporal."""
