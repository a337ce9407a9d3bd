FROM --platform=linux/amd64 busybox:musl AS one
RUN uname -m > /machine
FROM --platform=$BUILDPLATFORM busybox:musl
COPY --from=one /machine /
