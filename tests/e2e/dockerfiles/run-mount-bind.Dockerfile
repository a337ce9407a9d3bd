FROM busybox:musl AS other
RUN mkdir /o && echo other > /o/file
FROM busybox:musl
RUN --mount=type=bind,target=/ctx cat /ctx/a.txt > /a
RUN --mount=type=bind,source=dir,target=/ctx ls /ctx > /ls
RUN --mount=type=bind,from=other,source=/o,target=/mnt/o cat /mnt/o/file > /other
RUN --mount=type=bind,from=alpine:3.20,source=/etc,target=/alpine cat /alpine/alpine-release > /release
RUN --mount=type=bind,source=dir,target=/w,rw echo more > /w/more && ls /w > /rw
