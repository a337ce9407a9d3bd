FROM busybox:musl
RUN mkdir -p /real && ln -s /real /way
WORKDIR /way/below
RUN echo here > file
