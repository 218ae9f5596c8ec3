"""A small shop: prices, and a web service that answers them."""
