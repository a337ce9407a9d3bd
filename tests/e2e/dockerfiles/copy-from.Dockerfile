FROM busybox:musl AS build
RUN mkdir -p /out/bin && echo x > /out/bin/x && chmod 750 /out/bin && chown 3:4 /out/bin/x
RUN ln -s bin/x /out/link && ln /out/bin/x /out/hard && mkfifo /out/pipe && chmod 1777 /out
FROM alpine:3.20
COPY --from=build /out /out
COPY --from=build /out/bin/x /out/link /files/
COPY --from=build --chown=nobody /out/bin/ /named/
COPY --from=busybox:musl /etc/passwd /busybox-passwd
