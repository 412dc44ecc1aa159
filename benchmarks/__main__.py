"""`python -m benchmarks`: measure, print the ratios, write the report."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import traceback
from pathlib import Path

from benchmarks.lab import FOLDER_VARIABLE, Lab
from benchmarks.report import Aim, Section, aims_table, document
from benchmarks.scenarios import SCENARIOS
from benchmarks.settings import QUICK, Settings

REPORT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def main() -> int:
    """Returns 1 when something could not be measured; a missed aim is a finding, not a failure."""
    args = _arguments()
    settings = _settings(args)
    names = args.only.split(",") if args.only else list(SCENARIOS)
    with Lab(settings) as lab:
        found = [_measured(lab, name) for name in names]
    sections = [section for section in found if section]
    text = document(settings, sections)
    print("\n" + "\n".join(aims_table(aim for one in sections for aim in one.aims).markdown()))
    complete = len(sections) == len(names)
    target = args.output or (None if args.quick or args.only else REPORT)
    if target and complete:
        target.write_text(text)
    else:
        print("\n" + text)
    return 0 if complete else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Muniment side by side with its peers.",
        epilog=f"{FOLDER_VARIABLE} names a folder to work in, where corpora are kept for the next time.",
    )
    parser.add_argument(
        "--only", metavar="NAMES", help=f"some of {','.join(SCENARIOS)}; prints instead of writing"
    )
    parser.add_argument("--count", type=int, metavar="N", help="how many reports peers are raced on")
    parser.add_argument("--runs", type=int, metavar="N", help="how many turns each contestant has")
    parser.add_argument("--quick", action="store_true", help="see that all works; prints instead of writing")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=f"write the report there, not to {REPORT.name}"
    )
    args = parser.parse_args()
    if unknown := {*(args.only or "").split(",")} - {"", *SCENARIOS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(SCENARIOS)}")
    return args


def _settings(args: argparse.Namespace) -> Settings:
    given = {name: value for name in ("count", "runs") if (value := getattr(args, name)) is not None}
    return dataclasses.replace(QUICK if args.quick else Settings(), **given)


def _measured(lab: Lab, name: str) -> Section | None:
    """A scenario's section; None when it failed, so that the others are measured nevertheless."""
    print(f"{name} ({time.strftime('%H:%M')})", flush=True)
    try:
        section = SCENARIOS[name](lab)
    except Exception:  # noqa: BLE001 - one scenario's failure must not cost the others' minutes
        traceback.print_exc()
        return None
    for aim in section.aims:
        print(f"  {_line(aim)}", flush=True)
    return section


def _line(aim: Aim) -> str:
    return f"{'met   ' if aim.met else 'MISSED'} {aim.text}: {aim.measured}"


if __name__ == "__main__":
    sys.exit(main())
