"""Let many clients use the service while its indexes switch and slow clients come and go; print a table.

``python -m tests.load [--minutes 10] [--clients 64] [--pause 1] [--growth 0.05] [--seed 0]``. Exit status 1 if a goal
is missed: an answer of 500 or more, none within two minutes, or a wrong one; more than 1 % refused as too many; memory
that grows by more than 5 % between the second and the last fifth of the time; a median that slow clients raise by half
and 0.1 s; a label that was confirmed and is lost; an error in the log.
"""

from __future__ import annotations

import argparse
import sys

from tests.load.run import Plan, format_table, list_missed_goals, measure_load


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between an answer and the next request")
    parser.add_argument("--growth", type=float, default=0.05, help="share by which memory may grow")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    result = measure_load(
        Plan(
            seconds=60 * given.minutes,
            clients=given.clients,
            pause_s=given.pause,
            growth=given.growth,
            seed=given.seed,
        )
    )
    print(format_table(result))
    missed = list_missed_goals(result)
    print("\n".join(["", *(f"MISSED: {goal}" for goal in missed)]) if missed else "\nall goals are met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
