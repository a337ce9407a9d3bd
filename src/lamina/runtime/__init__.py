"""Processes in containers: the Protocol is in `container`, its kinds in `native` and `runc`."""
