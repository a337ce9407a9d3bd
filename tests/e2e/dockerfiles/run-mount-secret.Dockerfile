FROM busybox:musl
RUN --mount=type=secret,id=one cat /run/secrets/one > /one; stat -c '%a %u' /run/secrets/one >> /one
RUN --mount=type=secret,id=one,target=/root/key,mode=0440,uid=3,gid=4 stat -c '%a %u %g' /root/key > /two
RUN --mount=type=secret,id=absent echo "$(ls /run/secrets 2>/dev/null)" > /three
