FROM busybox:musl
COPY *.txt /stars/
COPY d?r/[o-t]*.* /classes/
COPY dir/*/*.txt /deep/
COPY a.txt b.txt run.sh /several/
COPY no*thing a.txt /none/
