FROM busybox:musl
HEALTHCHECK CMD wget -q localhost || exit 1
