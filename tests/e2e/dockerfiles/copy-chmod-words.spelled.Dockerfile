FROM busybox:musl
COPY --chmod=0750 a.txt /a
COPY --chmod=0755 b.txt /b
COPY --chmod=0600 private /c
COPY --chmod=4755 run.sh /d
