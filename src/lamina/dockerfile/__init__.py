"""Dockerfile text into instructions that know their lines.

    text -> logical lines -> nodes -> instructions -> stages
            lines           nodes    typed           parser

The language is BuildKit's ("Dockerfile reference"); where its documents are silent, its parser
decides. Nothing is expanded here: `words`, `mounts` and `ports` read what the builder expanded.
"""

from lamina.dockerfile.parser import Dockerfile, Reading, instruction, parse, parse_nodes, read
from lamina.dockerfile.source import DockerfileErrors, Fault, Source, Span, Warning
from lamina.dockerfile.stages import Stage

__all__ = [
    "Dockerfile",
    "DockerfileErrors",
    "Fault",
    "Reading",
    "Source",
    "Span",
    "Stage",
    "Warning",
    "instruction",
    "parse",
    "parse_nodes",
    "read",
]
