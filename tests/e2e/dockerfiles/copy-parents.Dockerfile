FROM busybox:musl
COPY --parents dir/one.txt dir/sub/deep/*.md /whole/
COPY --parents dir/./sub/*.txt logs/./old/ /pivot/
