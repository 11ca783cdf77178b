"""`python -m tests.fuzz`: check the properties with as many new inputs as time allows.

    python -m tests.fuzz                       all kinds, two minutes
    python -m tests.fuzz --minutes 30 lease    one kind
    python -m tests.fuzz --seed 1              the inputs of another run; how many depends on the machine
    python -m tests.fuzz --file PATH lease     one input again

An input that violates a property is minimised and written to artifacts/fuzz/. Put it into tests/fuzz/corpus/KIND/
under a name that describes it, and fix the decoder: every run tries it from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz.kinds import BY_NAME, KINDS, Kind

FOUND = Path("artifacts/fuzz")
TURN_SECONDS = 2.0
"""Time for one kind before the next one."""
MOST_TRIES = 3000
"""To minimise a failing input."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the decoders of foreign bytes.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument(
        "--seed", type=int, help="other inputs with each seed; printed, and chosen by chance when none is given"
    )
    parser.add_argument("--file", type=Path, help="try this input only")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"one of {', '.join(BY_NAME)}; all when none is named")
    given_ = parser.parse_args()
    if unknown := set(given_.kinds) - BY_NAME.keys():
        parser.error(f"there is no kind {', '.join(sorted(unknown))}: there is {', '.join(BY_NAME)}")
    kinds = [BY_NAME[name] for name in given_.kinds] or list(KINDS)
    logging.disable(logging.WARNING)
    warnings.simplefilter("error")
    if given_.file:
        for kind in kinds:
            kind.check(given_.file.read_bytes())
        print("it has the properties")
        return 0
    seed = Random().randrange(10**6) if given_.seed is None else given_.seed
    print(f"seed {seed}", flush=True)
    return _fuzz(kinds, time.monotonic() + given_.minutes * 60, seed)


def _fuzz(kinds: list[Kind], ends_at: float, seed: int) -> int:
    chances = {kind.name: Random(f"{seed} {kind.name}") for kind in kinds}
    inputs: Counter[str] = Counter()
    left = list(kinds)
    while left and time.monotonic() < ends_at:
        for kind in list(left):
            turn_ends_at = min(ends_at, time.monotonic() + TURN_SECONDS)
            while time.monotonic() < turn_ends_at:
                inputs[kind.name] += 1
                data = kind.input(chances[kind.name])
                if _error(kind, data):
                    left.remove(kind)
                    _keep(kind, data)
                    break
    print("inputs tried:")
    for kind in kinds:
        print(f"{inputs[kind.name]:9}  {kind.name}{'' if kind in left else '  FAILED'}")
    print(f"{inputs.total():9}  in all")
    return 0 if left == kinds else 1


def _error(kind: Kind, data: bytes) -> type[Exception] | None:
    try:
        kind.check(data)
    except Exception as error:
        return type(error)
    return None


def _keep(kind: Kind, data: bytes) -> None:
    wanted = _error(kind, data)
    small = smaller(data, lambda other: _error(kind, other) is wanted)
    path = FOUND / kind.name / hashlib.sha256(small).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(small)
    try:
        kind.check(small)
    except Exception:
        traceback.print_exc(file=sys.stdout)
    print(f"{kind.name}: {small[:200]!r}\n  again: python -m tests.fuzz --file {path} {kind.name}\n", flush=True)


def smaller(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """Return the input without all parts that it does not need to fail."""
    size, tries = len(data) // 2, 0
    while size and tries < MOST_TRIES:
        at = 0
        while at < len(data) and tries < MOST_TRIES:
            tries += 1
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


if __name__ == "__main__":
    sys.exit(main())
