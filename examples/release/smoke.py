"""Asks a running shop for many totals and counts its right answers: `python3 smoke.py PORT ROUNDS`."""

import json
import sys
import time
from urllib.request import urlopen

port, rounds = int(sys.argv[1]), int(sys.argv[2])
for number in range(1, rounds + 1):
    with urlopen(f"http://127.0.0.1:{port}/total?tea={number}&cake=1", timeout=5) as answer:
        got = json.load(answer)["total"]
    if got != 350 * number + 560:
        sys.exit(f"round {number}: the shop asks for {got}")
    if number % 10 == 0:
        print(f"smoke test: {number} of {rounds} orders are right", flush=True)
    time.sleep(0.05)
