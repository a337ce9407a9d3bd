FROM busybox:musl
ADD a.txt /file
ADD dir /dir
ADD *.txt /stars/
ADD ["with space.txt", "/space/"]
COPY archive.tar.gz /kept/
