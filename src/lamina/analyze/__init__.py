"""What is in an image and what it wastes, from the contents of its layers' tars alone."""

from lamina.analyze.blame import Step, What, blame
from lamina.analyze.compare import Change, Difference, Setting, compare, compare_settings
from lamina.analyze.packages import Package, packages
from lamina.analyze.rebuild import reconstruct
from lamina.analyze.waste import Unseen, Waste, waste

__all__ = [
    "Change",
    "Difference",
    "Package",
    "Setting",
    "Step",
    "Unseen",
    "Waste",
    "What",
    "blame",
    "compare",
    "compare_settings",
    "packages",
    "reconstruct",
    "waste",
]
