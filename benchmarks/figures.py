"""One measured figure, and how a run of them is printed and kept."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """What ``build/bench.json`` holds for each figure.

    Attributes:
        ours: Median of our side, in ``unit``.
        baseline: Median of the other side in the same run, or None where the target is absolute.
        ratio: Median of the ratios of the pairs; None without a baseline.
        spread: Interquartile range of what ``target`` speaks of, over its median.
        pairs: How many interleaved pairs (or samples, without a baseline) were taken.
        target: The bound, as a person reads it.
        met: Whether this run kept it.
    """

    name: str
    unit: str
    ours: float
    baseline: float | None
    ratio: float | None
    spread: float
    pairs: int
    target: str
    met: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """A target: at least or at most some number."""

    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Tell whether a value keeps the bound."""
        low = self.at_least is None or value >= self.at_least
        high = self.at_most is None or value <= self.at_most
        return low and high

    def words(self, unit: str) -> str:
        """Return the bound as words, e.g. ``>= 1.5 x baseline``."""
        if self.at_least is not None:
            return f">= {self.at_least:g} {unit}"
        return f"<= {self.at_most:g} {unit}"


def paired(name: str, unit: str, pairs: Sequence[tuple[float, float]], bound: Bound) -> Figure:
    """Make a figure from interleaved (ours, baseline) pairs; the bound is on the ratio."""
    ratios = [ours / base for ours, base in pairs]
    ratio = statistics.median(ratios)
    return Figure(
        name=name,
        unit=unit,
        ours=statistics.median(ours for ours, _ in pairs),
        baseline=statistics.median(base for _, base in pairs),
        ratio=ratio,
        spread=_spread(ratios),
        pairs=len(pairs),
        target=bound.words("x baseline"),
        met=bound.holds(ratio),
    )


def absolute(
    name: str,
    unit: str,
    samples: Sequence[float],
    bound: Bound,
    *,
    of: Callable[[Sequence[float]], float] = statistics.fmean,
) -> Figure:
    """Make a figure whose bound is an absolute number.

    Args:
        of: What makes one number of the samples: their mean, unless told otherwise.
    """
    value = of(samples)
    return Figure(
        name=name,
        unit=unit,
        ours=value,
        baseline=None,
        ratio=None,
        spread=_spread(samples),
        pairs=len(samples),
        target=bound.words(unit),
        met=bound.holds(value),
    )


def _spread(values: Sequence[float]) -> float:
    """Return the interquartile range over the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / middle if middle else 0.0


def report(figures: Sequence[Figure], path: Path) -> None:
    """Print a table and write the JSON list beside it."""
    table = Table(title="Benchmarks")
    for heading in ("figure", "unit", "ours", "baseline", "ratio", "spread", "pairs", "target", ""):
        table.add_column(heading)
    for figure in figures:
        table.add_row(
            figure.name,
            figure.unit,
            f"{figure.ours:.2f}",
            "" if figure.baseline is None else f"{figure.baseline:.2f}",
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            f"{figure.spread:.0%}",
            str(figure.pairs),
            figure.target,
            "met" if figure.met else "missed",
        )
    Console(width=140).print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
