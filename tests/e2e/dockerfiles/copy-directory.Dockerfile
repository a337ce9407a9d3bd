FROM busybox:musl
COPY dir /contents
COPY dir/ /slash/
COPY dir/. /dot
COPY dir/sub/deep new/path/
COPY häuser /häuser
