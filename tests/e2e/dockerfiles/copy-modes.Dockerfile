FROM busybox:musl
COPY setuid private run.sh /modes/
COPY shared /shared
COPY dir/closed /closed
COPY big /big
