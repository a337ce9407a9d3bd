FROM busybox:musl
COPY hard /hard
COPY hard/1 hard/2 /two/
