"""All measurements of one run, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .effort import Effort
from .heads import HeadTimes, TailTimes, measure_heads, measure_tails
from .keeping import measure_keeping
from .memory import HeadMemory, VolumeMemory, measure_head_memory, measure_volume_memory
from .nets import VolumeTimes, measure_networks, measure_volume
from .timing import Timings
from .training import StepTimes, measure_training


@dataclass(frozen=True)
class Results:
    """What was measured; see each measurement."""

    heads: list[HeadTimes]
    tails: TailTimes
    pair: Timings
    trio: Timings
    head_memory: HeadMemory
    volume: VolumeTimes
    keeping: dict[float, Timings]
    training: dict[str, StepTimes]
    volume_memory: list[VolumeMemory]


def measure(effort: Effort, say: Callable[[str], None]) -> Results:
    """Measure everything.

    Args:
        effort: how large.
        say: told what is measured next.
    """
    say("heads")
    heads, tails = measure_heads(effort), measure_tails(effort)
    say("networks")
    pair, trio = measure_networks(effort)
    say("memory of the head")
    head_memory = measure_head_memory(effort)
    say("a volume")
    volume, keeping = measure_volume(effort), measure_keeping(effort)
    say("training")
    training = measure_training(effort)
    say("memory of a volume")
    return Results(heads, tails, pair, trio, head_memory, volume, keeping, training, measure_volume_memory(effort))
