FROM busybox:musl
COPY ["with space.txt", "/to space/"]
COPY ["a.txt", "b.txt", "/json/"]
WORKDIR /work
COPY a.txt new-name
COPY a.txt ./sub/
COPY a.txt ../beside
