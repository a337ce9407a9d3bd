FROM busybox:musl
MAINTAINER Jane Doe <jane@example.com>
