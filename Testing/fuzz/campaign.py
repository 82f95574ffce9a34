"""Many cases, on several pairs of processes; their verdicts, and the table of docs/reliability.md."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

from metasrgan.volumes.formats import find_suffix

from .judge import GOOD, VERDICTS, Judge, Verdict
from .mutations import Case, make_case, make_flip
from .seeds import FORMATS, Seed, make_seeds

# Every so many cases are upscaled by the network, which takes longer; by linear interpolation otherwise.
NETWORK_EVERY = 97
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

_T = TypeVar("_T")
Found = list[tuple[Case, Verdict]]


def is_known(seed: Seed) -> bool:
    """Whether the package reads files of a seed's name."""
    return find_suffix(seed.main) is not None


def list_known(seeds: Mapping[str, Sequence[Seed]], only: str = "") -> list[str]:
    """Return the formats that the package reads, those alone whose names begin so."""
    return [name for name, found in seeds.items() if is_known(found[0]) and name.startswith(only)]


def run_cases(campaign: int, first: int, cases: int, jobs: int, tell: Callable[[str], None], only: str = "") -> Found:
    """Run cases of a campaign, one number after another; those of formats that the package does not read are left out.

    Args:
        campaign: the seed of chance.
        first: the number of the first case.
        cases: how many are run.
        jobs: how many at a time.
        tell: called with each fault, and now and then with how far it is.
        only: how the names of the formats begin; those alone are run.

    Returns:
        Each case and its verdict, by number.
    """
    seeds = make_seeds()
    known = list_known(seeds, only)
    formats = list(FORMATS)
    plan = list(islice((each for each in count(first) if formats[each % len(formats)] in known), cases))

    def try_number(judge: Judge, number: int) -> tuple[Case, Verdict]:
        case = make_case(seeds, campaign, number)
        method = "net" if number % NETWORK_EVERY == 0 else "linear"
        return case, judge.try_case(case, method=method)

    return sorted(_share(plan, try_number, jobs, tell), key=lambda each: each[0].number)


def run_flips(campaign: int, flips: int, jobs: int, tell: Callable[[str], None], only: str = "") -> Found:
    """Run so many single flipped bits of each compressed format that the package reads."""
    seeds = make_seeds()
    formats = [name for name in list_known(seeds, only) if any(seed.packed for seed in seeds[name])]
    plan = [(name, number) for name in formats for number in range(flips)]

    def try_flip(judge: Judge, which: tuple[str, int]) -> tuple[Case, Verdict]:
        case = make_flip(seeds, campaign, *which)
        return case, judge.try_case(case, only_read=True)

    found = _share(plan, try_flip, jobs, tell)
    return sorted(found, key=lambda each: (list(FORMATS).index(each[0].seed.format), each[0].number))


def _share(
    plan: Sequence[_T],
    work: Callable[[Judge, _T], tuple[Case, Verdict]],
    jobs: int,
    tell: Callable[[str], None],
) -> Found:
    """Do all of a plan, several at a time, each with a judge of its own."""
    waiting: queue.SimpleQueue[_T] = queue.SimpleQueue()
    for each in plan:
        waiting.put(each)
    found: Found = []
    failures: list[BaseException] = []

    def take() -> None:
        try:
            with Judge() as judge:
                while not failures:
                    case, verdict = work(judge, waiting.get_nowait())
                    found.append((case, verdict))
                    if verdict.is_fault:
                        tell(describe(case, verdict))
                    if len(found) % 1000 == 0:
                        tell(f"{len(found)} of {len(plan)}")
        except queue.Empty:
            pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=take) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return found


def describe(case: Case, verdict: Verdict) -> str:
    """Return a case and what came of it in a line."""
    seed = case.seed
    line = f"{VERDICTS[verdict.kind]}: case {case.number}, {seed.format} ({seed.name}), {case.damage}: {verdict.text}"
    return line.encode("unicode_escape", "backslashreplace").decode()


def tabulate(found: Found, first: str) -> str:
    """Return verdicts counted by format, a Markdown table; columns of zeros are shown, since that is what matters.

    Args:
        found: cases and their verdicts.
        first: what the cases are, the second column's heading.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in FORMATS}
    for case, verdict in found:
        counts[case.seed.format][verdict.kind] += 1
    rows = [(name, verdicts) for name, verdicts in counts.items() if verdicts]
    rows.append(("all", sum((verdicts for _name, verdicts in rows), Counter[str]())))
    lines = [["format", first, *VERDICTS.values()], ["---", *["---:"] * (len(VERDICTS) + 1)]]
    lines += [[name, f"{each.total():,}", *(f"{each[kind]:,}" for kind in VERDICTS)] for name, each in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rewrite_table(path: Path, tables: Mapping[str, str], command: str) -> None:
    """Put tables into a document, between the marks.

    Args:
        path: the document.
        tables: each by the sentence above it.
        command: that makes them.
    """
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _old, _, tail = rest.partition(END)
    parts = [f"By `{command}`.", *(part for sentence, table in tables.items() for part in (sentence, table))]
    path.write_text("\n\n".join([f"{head}{BEGIN}", *parts, f"{END}{tail}"]), encoding="utf-8")


def count_faults(found: Found) -> int:
    """Return how many verdicts must not be."""
    return sum(verdict.kind not in GOOD for _case, verdict in found)
