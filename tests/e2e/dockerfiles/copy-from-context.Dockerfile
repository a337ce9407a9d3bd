FROM busybox:musl
COPY --from=other one.txt /
COPY --from=other sub /sub
