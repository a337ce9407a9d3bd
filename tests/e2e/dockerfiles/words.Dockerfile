FROM busybox:musl
ENV X=x EMPTY=
ENV A=${X:-no} B=${NONE:-word} C=${X:+yes} D=${NONE:+yes} E=${EMPTY:-default}
ENV F="$X\$X" G='$X' H=\$X I=${X}y J="a'b" K='a"b'
