FROM busybox:musl
COPY --exclude=*.md --exclude=sub/deep dir /dir
COPY --exclude=*.log --exclude=old logs /logs
