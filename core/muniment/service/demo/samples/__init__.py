"""Journal mail of a small fictitious company: always the same bytes, and the truth about them.

For the demo, tests and benchmarks. All texts were written for Muniment.
"""

from __future__ import annotations

from muniment.service.demo.samples.people import COMPANY, DOMAIN, JOURNAL, STAFF, users_csv
from muniment.service.demo.samples.scenario import COUNT, SampleMail, SampleTruth, samples, truth

__all__ = [
    "COMPANY",
    "COUNT",
    "DOMAIN",
    "JOURNAL",
    "STAFF",
    "SampleMail",
    "SampleTruth",
    "samples",
    "truth",
    "users_csv",
]
