import unittest

from shop.prices import PRICES, total


class Prices(unittest.TestCase):
    def test_an_order_costs_the_sum_of_its_parts(self) -> None:
        self.assertEqual(total({"tea": 2, "cake": 1}), 1260)

    def test_nothing_costs_nothing(self) -> None:
        self.assertEqual(total({}), 0)

    def test_what_the_shop_does_not_have_is_refused(self) -> None:
        with self.assertRaises(KeyError):
            total({"unicorn": 1})

    def test_everything_has_a_price(self) -> None:
        self.assertTrue(all(price > 0 for price in PRICES.values()))
