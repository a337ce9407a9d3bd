"""What is in an image and what it wastes, from the contents of its layers' tars alone."""

from lamina.analysis.blame import Step, What, blame
from lamina.analysis.compare import Change, Difference, Setting, compare, compare_settings
from lamina.analysis.packages import Package, packages
from lamina.analysis.rebuild import reconstruct
from lamina.analysis.waste import Unseen, Waste, waste

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
