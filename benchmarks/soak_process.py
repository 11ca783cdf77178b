"""One of Pulltrace's programs, which also writes the number of its asyncio tasks every few seconds.

    python -m benchmarks.soak_process FILE PROGRAM [FLAGS]

No other process can read its tasks, and no metric is worth having for them: so a thread reads them.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path

from pulltrace import cli

WRITE_SECONDS = 2.0


class Policy(asyncio.DefaultEventLoopPolicy):
    """Remembers the loop that it made."""

    loop: asyncio.AbstractEventLoop | None = None

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        self.loop = super().new_event_loop()
        return self.loop


def write_task_count(policy: Policy, file: Path) -> None:
    """Write the number of tasks into the file, for as long as the process lives."""
    new = file.with_suffix(".new")
    while True:
        if policy.loop is not None:
            new.write_text(str(len(asyncio.all_tasks(policy.loop))), encoding="utf-8")
            new.replace(file)
        time.sleep(WRITE_SECONDS)


def main() -> int:
    policy = Policy()
    asyncio.set_event_loop_policy(policy)
    threading.Thread(target=write_task_count, args=(policy, Path(sys.argv[1])), daemon=True).start()
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
