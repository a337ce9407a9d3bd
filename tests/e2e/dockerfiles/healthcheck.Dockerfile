FROM busybox:musl
HEALTHCHECK --interval=1m30s --timeout=5s --start-period=2m --retries=7 CMD ["true", "x y"]
