FROM busybox:musl
RUN mkdir /t && echo under > /t/under
RUN --mount=type=tmpfs,target=/t ls /t > /inside; grep -c ' /t tmpfs' /proc/mounts >> /inside; echo x > /t/lost
RUN --mount=type=tmpfs,target=/made/for/it true
