FROM busybox:musl
RUN --security=sandbox echo safe > /safe
