"""What ``make bench`` leaves behind for other programs to read."""

import json
import statistics
from pathlib import Path

import pytest

from benchmarks.figures import Bound, absolute, paired, report


def test_a_paired_figure_judges_the_median_of_the_ratios() -> None:
    figure = paired("rate", "flows/s", [(30, 10), (16, 10), (14, 10)], Bound(at_least=1.5))

    assert (figure.ratio, figure.ours, figure.baseline, figure.pairs) == (1.6, 16, 10, 3)
    assert figure.met


def test_an_absolute_figure_judges_the_mean() -> None:
    figure = absolute("read", "ms", [1, 2, 30], Bound(at_most=10))

    assert figure.ours == 11
    assert not figure.met


def test_an_absolute_figure_may_judge_the_median() -> None:
    figure = absolute("page", "ms", [1, 2, 300], Bound(at_most=2), of=statistics.median)

    assert figure.ours == 2
    assert figure.met


@pytest.mark.parametrize(
    ("bound", "kept", "missed"), [(Bound(at_least=1.5), 1.5, 1.49), (Bound(at_most=0.8), 0.8, 0.81)]
)
def test_a_bound_includes_its_limit(bound: Bound, kept: float, missed: float) -> None:
    assert bound.holds(kept)
    assert not bound.holds(missed)


def test_the_report_is_a_list_with_one_entry_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "build" / "bench.json"

    report([paired("rate", "flows/s", [(3, 2), (3, 2)], Bound(at_least=1.5))], path)

    [entry] = json.loads(path.read_text())
    assert set(entry) == {
        *("name", "unit", "ours", "baseline", "ratio", "spread", "pairs", "target", "met")
    }
    assert entry["met"] is True
    assert "rate" in capsys.readouterr().out
