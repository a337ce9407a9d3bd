# Predefined: a command sees it, the image does not.
FROM busybox:musl
RUN echo "$FTP_PROXY $no_proxy" > /proxies
