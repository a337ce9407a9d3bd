"""Content there: repositories of registries, over HTTP."""
