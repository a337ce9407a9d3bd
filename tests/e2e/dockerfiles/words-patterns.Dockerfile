FROM busybox:musl
ENV V=foo-bar-baz.tar.gz
ENV A=${V#*-} B=${V##*-} C=${V%.*} D=${V%%.*} E=${V/bar/x} F=${V//-/_} G=${EMPTY-d} H=${V+y}
