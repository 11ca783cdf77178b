"""Run chaos as root: `python -m tests.chaos --minutes 10 [--seed 7]`."""

from __future__ import annotations

import argparse
import random
import signal
import sys

from tests.chaos.run import run
from tests.real.test_page import ARTIFACTS


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10, help="how long to create pods and break components")
    arguments.add_argument("--seed", type=int, help="repeat the order of a run (default: a random seed)")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cluster is removed then, too
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    return run(given.minutes, seed, ARTIFACTS / "chaos")


if __name__ == "__main__":
    sys.exit(main())
