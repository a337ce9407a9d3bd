FROM busybox:musl
SHELL ["/bin/sh", "-euc"]
RUN echo "$-" > /flags
CMD echo shell
