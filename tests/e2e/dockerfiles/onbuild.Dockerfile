FROM busybox:musl AS base
ONBUILD COPY a.txt /on
ONBUILD RUN echo built > /built
ONBUILD ENV BUILT=yes
FROM base
RUN cat /on /built > /both; echo $BUILT >> /both
ONBUILD LABEL again=later
