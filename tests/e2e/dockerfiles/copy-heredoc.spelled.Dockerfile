FROM busybox:musl
ENV WHO=world
RUN mkdir /here /mixed && echo "hello world" > /here/plain && echo 'hello $WHO' > /here/quoted
RUN printf '#!/bin/sh\necho world\n' > /script && chmod 700 /script && chown 1:2 /script
RUN echo heredoc > /mixed/a
COPY a.txt /mixed/
