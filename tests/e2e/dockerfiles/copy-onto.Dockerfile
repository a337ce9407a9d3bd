FROM busybox:musl
RUN mkdir -m 700 /dir /files && chown 9:9 /dir /files && echo old > /files/a.txt
RUN chmod 640 /files/a.txt && ln -s /files/target /files/b.txt && ln -s files /way
COPY a.txt b.txt /files/
COPY dir /dir
COPY run.sh /way/
COPY run.sh /way/new/run
