FROM busybox:musl
RUN --mount=type=cache,target=/cached rm -f /cached/x; echo kept > /cached/x
RUN --mount=type=cache,target=/cached cp /cached/x /found
RUN --mount=type=cache,target=/with,mode=0750,uid=3,gid=4,id=peers stat -c '%a %u %g' /with > /mode
RUN ls -A /cached > /empty 2>/dev/null; true
