FROM busybox:musl
RUN mkdir -m 700 /t && chown 9:9 /t && echo old > /t/file
ADD archive.tar.gz /
