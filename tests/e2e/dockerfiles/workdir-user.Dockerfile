FROM busybox:musl
USER nobody
WORKDIR /made/by
