FROM busybox:musl
COPY --chmod=0711 a.txt /a
COPY --chmod=640 dir /dir
COPY --chmod=4755 --chown=3:4 run.sh /bin/run
ADD --chmod=0600 b.txt /b
