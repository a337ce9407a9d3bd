FROM busybox:musl
VOLUME /data
VOLUME ["/json", "/a b"]
VOLUME /one /two
ENV V=/var/v
VOLUME $V
