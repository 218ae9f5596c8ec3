"""Random programs on the real stack, with the worker killed at random: they end as if nothing had happened."""
