FROM busybox:musl
COPY dir/one.txt /whole/dir/
COPY dir/sub/deep/four.md /whole/dir/sub/deep/
COPY dir/sub/three.txt /pivot/sub/
COPY logs/old /pivot/old
