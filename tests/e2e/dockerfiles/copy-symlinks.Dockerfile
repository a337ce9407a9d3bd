FROM busybox:musl
COPY links /links
COPY links/file /file
COPY links/dir /dir
COPY links/[fd]i* /stars/
