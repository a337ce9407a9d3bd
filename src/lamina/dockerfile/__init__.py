"""Dockerfile text into instructions that know their lines."""
