FROM busybox:musl
RUN echo safe > /safe
