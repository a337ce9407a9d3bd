"""Lamina builds, runs and looks inside container images, with no daemon."""
