FROM busybox:musl
LABEL one=1 "two words"="2 2" three.dotted=3
LABEL one=again multi="a\
b"
LABEL old form of label
ENV V=v
LABEL var=$V quoted='$V'
