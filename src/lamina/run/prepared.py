"""What starting a container takes in any case, done before it is known which container it is.

Where an interpreter becomes the container, it takes longer to start than all the rest of a start;
where this process clones itself, the modules that the clone needs are imported.
"""

from __future__ import annotations

from lamina.run.ground import Ground
from lamina.run.options import Options
from lamina.run.streams import Streams


class Prepared:
    """The pipes of a container, and its runtime with a start that was begun."""

    def __init__(self, ground: Ground, options: Options) -> None:
        self.streams = Streams(terminal=options.tty, stdin=options.interactive)
        try:
            self.runtime = ground.runtime(options.runtime)
            self.waiting = self.runtime.ready(self.streams.stdio())
        except BaseException:
            self.streams.close()
            raise

    def close(self) -> None:
        """Give back what the start did not take; idempotent."""
        self.waiting.dismiss()
        self.streams.close()
