"""Print the table of figures; the exit status is 1 where a part failed."""

import argparse
import sys
import time
import warnings

from hypothesis import settings

from . import PARTS, run

parser = argparse.ArgumentParser(prog="python -m tests.reliability", description="How hard the library was tried.")
parser.add_argument("parts", nargs="*", help=f"which parts (all): {', '.join(PARTS)}")
parser.add_argument("--quick", action="store_true", help="a minute of checks instead of all")
options = parser.parse_args()
if unknown := set(options.parts) - set(PARTS):
    parser.error(f"no part {', '.join(sorted(unknown))}")

settings.register_profile("reliability", derandomize=True, database=None, deadline=None)
settings.load_profile("reliability")
warnings.simplefilter("ignore")
failed = False
print(f"{'part':<20} {'what':<56} {'count':>8}  result")
for part in options.parts or PARTS:
    start = time.perf_counter()
    rows = run(part, not options.quick)
    heading = f"{part} ({time.perf_counter() - start:.0f} s)"
    for row in rows:
        print(f"{heading:<20} {row.what:<56} {row.count:>8}  {row.result}", flush=True)
        heading, failed = "", failed or row.what == "FAILED"
sys.exit(failed)
