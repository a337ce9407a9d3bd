FROM busybox:musl
RUN mkdir /data && echo before > /data/before
VOLUME /data
RUN echo after > /data/after
COPY a.txt /data/
