FROM busybox:musl AS base
WORKDIR /work
ENV FROM=base
RUN echo base > file
FROM base AS middle
RUN echo middle >> file
FROM middle
RUN echo last >> file && echo "$FROM" > from
