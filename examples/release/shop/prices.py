"""What things cost, in cents."""

PRICES = {"tea": 350, "coffee": 420, "cake": 560}


def total(order: dict[str, int]) -> int:
    """The price of an order: name -> how many. Raises KeyError for what the shop does not have."""
    return sum(PRICES[name] * count for name, count in order.items())
