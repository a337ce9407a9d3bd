FROM busybox:musl
CMD ["kept"]
ENTRYPOINT exec top -b
