FROM busybox:musl AS base
ENTRYPOINT ["base"]
CMD ["arguments"]
FROM base
ENTRYPOINT []
