"""Measurements beside the tools that one would use instead: `python -m bench [NAME [FLAGS]]`."""
