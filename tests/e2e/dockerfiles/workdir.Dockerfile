FROM busybox:musl
WORKDIR /a/b
WORKDIR c
RUN pwd > here
ENV D=d
WORKDIR ${D}/../e
RUN pwd > here
WORKDIR /tmp
WORKDIR /with space
COPY a.txt .
