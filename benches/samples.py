"""Measured values as figures."""

import math
import os
import statistics

ROUNDS = int(os.environ.get("CLOUDYKNIGHT_BENCH_ROUNDS", "20"))


def median(samples):
    return round(statistics.median(samples), 1)


def spread(samples):
    ordered = sorted(samples)
    # The smallest value that 95 of 100 do not exceed: of 20 the second largest.
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    ends = {"min": round(ordered[0], 1), "max": round(ordered[-1], 1)}
    return {"median": median(samples), "p95": round(p95, 1)} | ends | {"n": len(samples)}
