FROM busybox:musl
RUN --network=none ls /sys/class/net > /none
RUN --network=host true
