"""`python -m benchmarks`: measure, print the ratios, write the report."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import traceback
from pathlib import Path

from benchmarks import disposal, watch
from benchmarks.lab import FOLDER_VARIABLE, Lab
from benchmarks.report import Aim, Section, aims_table, document
from benchmarks.scenarios import SCENARIOS
from benchmarks.settings import QUICK, Settings

REPORT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def main() -> int:
    """Run the benchmarks. Returns 1 if something could not be measured. A missed aim is a result, not a
    failure."""
    args = _arguments()
    settings = _settings(args)
    names = args.only.split(",") if args.only else list(SCENARIOS)
    with Lab(settings) as lab:
        found = [_measured(lab, name) for name in names]
    sections = [section for section in found if section]
    complete = len(sections) == len(names)
    large = disposal.stored()
    text = document(settings, [*sections, watch.stored().section(), *([large.section()] if large else [])])
    print("\n" + "\n".join(aims_table(aim for one in sections for aim in one.aims).markdown()))
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
        epilog=f"{FOLDER_VARIABLE} names a working folder, where corpora are kept for the next time.",
    )
    parser.add_argument(
        "--only", metavar="NAMES", help=f"some of {','.join(SCENARIOS)}; prints instead of writing"
    )
    parser.add_argument("--count", type=int, metavar="N", help="number of reports in a race with peers")
    parser.add_argument("--runs", type=int, metavar="N", help="number of turns of each contestant")
    parser.add_argument(
        "--quick", action="store_true", help="check that everything works; prints instead of writing"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=f"write the report there instead of {REPORT.name}"
    )
    args = parser.parse_args()
    if unknown := {*(args.only or "").split(",")} - {"", *SCENARIOS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(SCENARIOS)}")
    return args


def _settings(args: argparse.Namespace) -> Settings:
    given = {name: value for name in ("count", "runs") if (value := getattr(args, name)) is not None}
    return dataclasses.replace(QUICK if args.quick else Settings(), **given)


def _measured(lab: Lab, name: str) -> Section | None:
    """A scenario's section; None if it failed, so that the other scenarios are still measured."""
    print(f"{name} ({time.strftime('%H:%M')})", flush=True)
    try:
        section = SCENARIOS[name](lab)
    except Exception:  # noqa: BLE001 - the other scenarios are still measured
        traceback.print_exc()
        return None
    for aim in section.aims:
        print(f"  {_line(aim)}", flush=True)
    return section


def _line(aim: Aim) -> str:
    return f"{'met   ' if aim.met else 'MISSED'} {aim.text}: {aim.measured}"


if __name__ == "__main__":
    sys.exit(main())
