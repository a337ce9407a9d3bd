FROM busybox:musl
LABEL file=yes both=file
