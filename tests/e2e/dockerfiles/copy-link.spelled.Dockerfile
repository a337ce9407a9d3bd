FROM busybox:musl
COPY a.txt /new/
COPY --chown=1:2 dir /dir
