FROM busybox:musl
COPY dir/one.txt /dir/
COPY dir/sub/three.txt /dir/sub/
RUN mkdir -m 700 /dir/closed && mkdir /logs
