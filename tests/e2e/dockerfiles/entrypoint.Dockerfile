# It empties the CMD that comes from the base.
FROM busybox:musl
ENTRYPOINT ["/bin/sh", "-c"]
