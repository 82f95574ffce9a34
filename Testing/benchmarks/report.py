"""The figures as Markdown: what was wanted and found, then a table a section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path

from .effort import Effort
from .heads import WANTED
from .keeping import WANTED as WANTED_KEEPING
from .memory import HEAD_SCALE, WANTED_HEAD_MIB
from .processes import MIB
from .suite import Results
from .timing import Timings
from .training import STAGES, WANTED_DATA_SHARE


@dataclass(frozen=True)
class Section:
    """A heading, what was measured, and a table."""

    title: str
    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the section; the first column is words, the others are figures."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.header, rule, *self.rows)]
        return "\n".join([f"## {self.title}", "", self.text, "", *lines, ""])


def sections(results: Results, effort: Effort) -> list[Section]:
    """Put all results into tables."""
    return [
        _wanted(results),
        _heads(results, effort),
        _networks(results, effort),
        _head_memory(results, effort),
        _volume(results, effort),
        format_keeping(results.keeping),
        _training(results),
        _scales(results),
        _volume_memory(results),
    ]


def document(tables: Sequence[Section], machine: dict[str, str], picture: str) -> str:
    """Return the whole page.

    Args:
        tables: of `sections`.
        machine: of `machine.facts`.
        picture: the picture's file name.
    """
    intro = (
        "Everything here is a ratio of two things measured in the same run, in turns, so that what else the machine\n"
        "does falls on both: a ratio is the median over turns of the quotient within a turn, a time the median over\n"
        "turns. On another machine the times differ, and far less the ratios. Weights are random where nothing else\n"
        "is said; they take as long as trained ones."
    )
    facts = "\n".join(f"- {name}: {text}" for name, text in machine.items())
    parts = ["# Benchmarks", "", intro, "", facts, "", f"![Benchmarks]({picture})", ""]
    gpu = Path(__file__).with_name("gpu.md").read_text(encoding="utf-8")
    return "\n".join(parts) + "\n" + "\n".join([*(section.markdown() for section in tables), gpu])


def scale_name(scale: float) -> str:
    """×2, ×1.5, and ×√2 for the irrational one.

    >>> scale_name(2.0), scale_name(2**0.5)
    ('×2', '×√2')
    """
    return "×√2" if isclose(scale, 2**0.5) else f"×{scale:g}"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g}" if seconds < 1 else f"{1000 * seconds:,.0f}"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _wanted(results: Results) -> Section:
    rows = []
    for head in results.heads:
        if head.scale in WANTED:
            wanted = WANTED[head.scale]
            rows.append(
                (
                    f"head at {scale_name(head.scale)}: literal form / ours",
                    f"≥ {wanted:g}×",
                    _times(head.ratio),
                    head.ratio >= wanted,
                )
            )
    slower = results.pair.ratio("Meta-SRGAN", "SRGAN")
    rows.append(("network at ×2: Meta-SRGAN / SRGAN", "≤ 1×", _times(slower), slower <= 1))
    for scale, timings in results.keeping.items():
        ratio, name = (
            timings.ratio("kept", "alone"),
            f"what was measured put back at {scale_name(scale)} / network alone",
        )
        rows.append((name, f"≤ {WANTED_KEEPING:g}×", _times(ratio), ratio <= WANTED_KEEPING))
    extra = results.head_memory.ours / MIB
    rows.append(("head's extra memory", f"≤ {WANTED_HEAD_MIB} MiB", f"{extra:.0f} MiB", extra <= WANTED_HEAD_MIB))
    for name in ("bfloat16", "float32"):
        share = _data_share(results, name)
        rows.append(
            (
                f"loading, augmentation and degrading / training step ({name})",
                f"< {_percent(WANTED_DATA_SHARE)}",
                _percent(share),
                share < WANTED_DATA_SHARE,
            )
        )
    return Section(
        "What was wanted and what was found",
        "Details are in the sections below.",
        ("", "wanted", "found", "met"),
        [(name, wanted, found, "yes" if met else "**no**") for name, wanted, found, met in rows],
    )


def _heads(results: Results, effort: Effort) -> Section:
    tails = results.tails
    rows = [
        (
            scale_name(head.scale),
            _times(head.ratio),
            _times(head.cold_ratio),
            _ms(head.naive),
            _ms(head.ours),
            _ms(head.cold),
        )
        for head in results.heads
    ]
    return Section(
        "The head",
        f"The Meta-Upscale Module on LR features of {effort.side}×{effort.side}, without gradients. *Literal*: one "
        "kernel predicted for every output pixel (`Testing/naive.py`). *Ours*: the module as it is, its kernels kept "
        "from an earlier image; *first image*: its kernels predicted too. "
        f"At ×2, SRGAN's sub-pixel layer (convolution 64→256, pixel shuffle, PReLU, 9×9 convolution) takes "
        f"{_ms(tails.subpixel)} ms and ours {_ms(tails.ours)} ms: **{_times(tails.ratio)}**.",
        ("scale", "literal / ours", "literal / first image", "literal, ms", "ours, ms", "first image, ms"),
        rows,
    )


def _networks(results: Results, effort: Effort) -> Section:
    pair, trio = results.pair, results.trio
    rows = [
        ("Meta-SRGAN", _times(1), _ms(pair.of("Meta-SRGAN"))),
        ("SRGAN", _times(pair.ratio("SRGAN", "Meta-SRGAN")), _ms(pair.of("SRGAN"))),
        ("EDSR", _times(trio.ratio("EDSR", "Meta-SRGAN")), _ms(trio.of("EDSR"))),
    ]
    return Section(
        "Whole networks at ×2",
        f"One LR image of {effort.side}×{effort.side}. EDSR has {effort.edsr_blocks} blocks of {effort.edsr_channels} "
        f"features and was timed in {effort.few_rounds} turns with Meta-SRGAN.",
        ("network", "time / Meta-SRGAN's", "ms"),
        rows,
    )


def _head_memory(results: Results, effort: Effort) -> Section:
    memory = results.head_memory
    side = effort.memory_side
    rows = [
        ("literal", _times(memory.naive / memory.ours), f"{memory.naive / MIB:,.0f}"),
        ("ours", _times(1), f"{memory.ours / MIB:,.0f}"),
    ]
    return Section(
        "Extra memory of the head",
        f"Peak resident memory of a fresh process during its first call of the head, on features of {side}×{side} at "
        f"×{HEAD_SCALE}, less what it held before (the features among it).",
        ("form", "memory / ours", "MiB"),
        rows,
    )


def _volume(results: Results, effort: Effort) -> Section:
    volume = results.volume
    shape = "×".join(map(str, volume.shape))
    rows = [("Meta-SRGAN", _times(1), _ms(volume.seconds["Meta-SRGAN"]))]
    rows += [(name, _times(1 / ratio), _ms(volume.seconds[name])) for name, ratio in volume.slower_than.items()]
    return Section(
        "A volume at ×2",
        f"The sample volume's middle, {shape} voxels, upscaled in plane by `metasrgan.upscale` (shipped "
        "weights; our B-spline), by SimpleITK's cubic B-spline onto the same grid (slice by slice, and the volume at "
        "once), and by EDSR. EDSR was timed on one slice, and that is taken for every slice.",
        ("way", "time / Meta-SRGAN's", "ms a slice"),
        rows,
    )


def format_keeping(keeping: Mapping[float, Timings]) -> Section:
    """Return the section on keeping what was measured."""
    rows = [
        (scale_name(scale), _times(each.ratio("kept", "alone")), _ms(each.of("alone")), _ms(each.of("kept")))
        for scale, each in keeping.items()
    ]
    return Section(
        "Keeping what was measured",
        "The same volume by the network with what was measured put back by k-space, and without. The matrices are made "
        "once a volume, and are in these times.",
        ("scale", "kept / alone", "alone, ms", "kept, ms"),
        rows,
    )


def _data_share(results: Results, name: str) -> float:
    times = results.training[name]
    return (times.stage(STAGES[0]) + times.stage(STAGES[1])) / times.total


def _training(results: Results) -> Section:
    base = results.training["bfloat16"].total
    rows = [
        (
            name,
            _times(times.total / base),
            *(_percent(times.stage(stage) / times.total) for stage in STAGES),
            _ms(times.total),
        )
        for name, times in results.training.items()
    ]
    return Section(
        "A training step",
        "One update by the trainer of `monai_bundle/configs/shipped.yaml` on the L1 loss, averaged over its scales; "
        "patches come from the sample volume's axial slices, so that nothing has to be downloaded. *bfloat16* (by "
        "autocast) and *float32* use the config's channels-last layout, its patches (LR of one size, so that every "
        "scale costs the same), and for each scale the cheaper form of the head; the others change one of these. "
        "*Forward* includes the loss, *backward* clipping the gradient.",
        ("training", "step / bfloat16's", *STAGES, "step, ms"),
        rows,
    )


def _scales(results: Results) -> Section:
    names = ("bfloat16", "bfloat16, 96x96 HR patches", "bfloat16, strided only", "float32", "float32, strided only")
    scales = list(results.training["bfloat16"].stages)
    rows = [
        (scale_name(scale), *(_times(results.training[name].step(scale) / base) for name in names))
        for scale in scales
        for base in (results.training["bfloat16"].total,)
    ]
    spread = []
    for name in names:
        steps = [results.training[name].step(scale) for scale in scales]
        spread.append(f"{name}: {max(steps) / min(steps):.1f}×")
    return Section(
        "A training step by scale",
        "In units of the mean bfloat16 step above. Dearest / cheapest scale: " + "; ".join(spread) + ".",
        ("scale", *names),
        rows,
    )


def _volume_memory(results: Results) -> Section:
    rows = [
        (
            f"{case.method}, {'×'.join(map(str, case.shape))}",
            _times(case.growth / case.ends),
            f"{case.ends / MIB:,.0f}",
            f"{case.growth / MIB:,.0f}",
        )
        for case in results.volume_memory
    ]
    few, more = results.volume_memory[:2]
    a_slice = (more.growth - few.growth) / (more.ends - few.ends)
    return Section(
        "Peak memory of upscaling a volume at ×2",
        "Peak resident memory of a fresh process while `upscale` runs on an int16 volume, less what it held before "
        f"(the input among it). From {few.shape[2]} to {more.shape[2]} slices the network's peak grows by "
        f"{a_slice:.2f} times what input and output grow by.",
        ("method and voxels", "peak / (input + output)", "input + output, MiB", "peak, MiB"),
        rows,
    )
