"""For the tests of other projects: a real registry in the test's own process, and images for it.

`lamina.testing.plugin` makes pytest fixtures of both.
"""
