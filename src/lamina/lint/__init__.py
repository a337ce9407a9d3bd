"""Advice on Dockerfiles: BuildKit's checks, hadolint's rules by their numbers, and our own.

    text -> Reading -> File -> rules -> Hit -> Finding -> words, JSON, SARIF

Pure: text and facts in, values out. A rule is data and one function, in a file of its family
below `rules/`; the table there names them all.
"""

from lamina.lint.file import Base, Facts
from lamina.lint.finding import Edit, Finding, Severity
from lamina.lint.measured import Measured
from lamina.lint.runner import Report, check, checks, examine
from lamina.lint.settings import Settings

__all__ = [
    "Base",
    "Edit",
    "Facts",
    "Finding",
    "Measured",
    "Report",
    "Settings",
    "Severity",
    "check",
    "checks",
    "examine",
]
