FROM busybox:musl
ADD archive.tar /plain
ADD archive.tar.gz /gz/
ADD archive.tar.bz2 archive.tar.xz /both/
