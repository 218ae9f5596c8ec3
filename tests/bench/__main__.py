"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import importlib

BENCHMARKS = ("bench_language", "bench_tokens", "bench_supervisor", "bench_runs", "bench_api", "bench_loop")

for name in BENCHMARKS:
    print(f"\n# {name}")
    importlib.import_module(f"tests.bench.{name}").main()
