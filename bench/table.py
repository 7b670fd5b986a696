"""The table that `make bench` prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measurement beside its baseline, of the same run."""

    what: str
    ours: str
    baseline: str
    ratio: float | None
    aim: str


def show(rows: list[Row]) -> None:
    """Print all rows under each other."""
    head = Row("measurement", "ringfence", "baseline", None, "aim")
    widths = [max(len(getattr(row, name)) for row in [head, *rows]) for name in ("what", "ours", "baseline")]
    for row in [head, *rows]:
        ratio = "ratio" if row is head else f"{row.ratio:.2f}" if row.ratio is not None else "-"
        cells = [text.ljust(width) for text, width in zip((row.what, row.ours, row.baseline), widths, strict=True)]
        print("  ".join([*cells, ratio.rjust(7), row.aim]), flush=True)
