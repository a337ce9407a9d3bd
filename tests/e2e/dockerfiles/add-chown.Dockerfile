FROM busybox:musl
ADD --chown=3:4 archive.tar.gz /t/
ADD --chown=nobody a.txt /a/
