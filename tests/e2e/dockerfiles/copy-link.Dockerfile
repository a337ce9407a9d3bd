FROM busybox:musl
COPY --link a.txt /new/
COPY --link --chown=1:2 dir /dir
