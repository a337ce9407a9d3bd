FROM busybox:musl
ARG N=9
STOPSIGNAL $N
