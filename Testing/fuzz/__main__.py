"""Try the package on damaged files and count what comes of it.

make fuzz                                            10,000 cases and 5,000 flipped bits a format; rewrites the table
cd Testing && ../.venv/bin/python -m fuzz --cases 500           a few cases
cd Testing && ../.venv/bin/python -m fuzz --case 1234 --keep DIR     one of them again; its files are kept in DIR
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from .campaign import count_faults, describe, rewrite_table, run_cases, run_flips, tabulate
from .judge import Judge
from .mutations import make_case
from .seeds import make_seeds


def main() -> int:
    """Parse, run, tell; return 1 where anything went wrong."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Damaged files, and what the package makes of them.")
    parser.add_argument("--cases", type=int, default=1000, help="damaged files (default 1000)")
    parser.add_argument("--flips", type=int, default=0, help="single flipped bits a compressed format (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="of chance; the same gives the same cases (default 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default 0)")
    parser.add_argument("--only", default="", help='formats whose names begin so, such as "NIfTI" (default: all)')
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default 2)")
    parser.add_argument("--table", type=Path, help="document whose tables are rewritten")
    parser.add_argument("--case", type=int, help="run this case alone")
    parser.add_argument("--keep", type=Path, help="folder for the files of --case")
    arguments = parser.parse_args()
    if arguments.case is not None:
        return run_one(arguments.seed, arguments.case, arguments.keep)
    found = run_cases(arguments.seed, arguments.first, arguments.cases, arguments.jobs, tell, arguments.only)
    flips = run_flips(arguments.seed, arguments.flips, arguments.jobs, tell, arguments.only)
    tables = {"Damaged files, read, described, upscaled, written and read again:": tabulate(found, "cases")}
    if flips:
        tables["Single flipped bits in what is compressed, read:"] = tabulate(flips, "flipped bits")
    for sentence, table in tables.items():
        print(f"\n{sentence}\n\n{table}")
    if arguments.table is not None:
        options = f"--cases {arguments.cases} --flips {arguments.flips} --seed {arguments.seed}"
        rewrite_table(arguments.table, tables, f"python -m fuzz {options}")
    return 1 if count_faults(found) + count_faults(flips) else 0


def run_one(campaign: int, number: int, keep: Path | None) -> int:
    """Run a case alone, and keep its files where a folder is given."""
    case = make_case(make_seeds(), campaign, number)
    with Judge() as judge:
        verdict = judge.try_case(case)
    print(describe(case, verdict))
    if keep is not None:
        path = case.lay_out(keep)
        print(shlex.join(["metasrgan", "info", "-i", str(path)]))
    return int(verdict.is_fault)


def tell(text: str) -> None:
    """Tell a fault or how far it is, at once."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
