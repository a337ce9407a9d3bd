"""Repositories on disk: who may see which blob, and what is kept; no HTTP."""
