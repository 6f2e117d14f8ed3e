"""Ends runs with SIGKILL at random moments and holds what is there at last against an undisturbed run.

    python benchmarks/kills.py --kills 50

Each round starts a driver over what the rounds before have left; half of the rounds kill the driver, half one of its two workers.
When all rows are there, they are compared (ids, texts, scores, F, errors, stops and failures, to the last bit) and the next folder begins.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lineal.jobs import drive, folder, plan
from lineal.jobs.job import job
from tests import tiny_job
from tests.test_jobs_killed import begun, beneath


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--rows", type=int, default=400)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--after", type=float, default=6.0, help="seconds until a kill at most, from where workers are there")
    given = options.parse_args()
    draw, kills, folders = random.Random(given.seed), {"driver": 0, "worker": 0}, 0
    place = Path(tempfile.mkdtemp())
    asked = tiny_job.small(place, given.rows)
    drive.run(asked)
    wanted = tiny_job.found(asked.out)
    while sum(kills.values()) < given.kills:
        folders += 1
        two = job(asked.to_dict() | {"out": str(place / f"out{folders}"), "workers": 2})
        while sum(kills.values()) < given.kills and not Path(two.out, folder.SUCCESS).exists():
            driver = begun(two)
            whom = draw.choice(list(kills))
            there = []
            while driver.poll() is None and not (there := beneath(driver.pid)):
                time.sleep(0.05)
            time.sleep(draw.random() * given.after)
            there = beneath(driver.pid) if driver.poll() is None else []
            if there and whom == "worker":
                os.kill(draw.choice(there), signal.SIGKILL)
                kills[whom] += 1
            elif driver.poll() is None:
                driver.kill()
                kills["driver"] += 1
            driver.communicate()
            if Path(two.out, plan.NAME).exists():
                damaged = folder.state(plan.load(two.out), Path(two.out), whole=True).damaged
                assert damaged == {}, damaged
            print(f"{sum(kills.values())} kills, {len(list(Path(two.out).glob('part-*')))} shards of folder {folders}", flush=True)
        drive.run(two)
        assert tiny_job.found(two.out) == wanted
        print(f"folder {folders}: {given.rows} rows, each once, equal to an undisturbed run", flush=True)
    print(f"{kills['driver']} drivers and {kills['worker']} workers killed, {folders} folders, no row lost, doubled or different")


if __name__ == "__main__":
    main()
