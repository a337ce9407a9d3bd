FROM busybox:musl
RUN --mount=type=secret,id=one,env=TOKEN,required=true echo "$TOKEN" > /token
RUN echo "[$TOKEN]" > /gone
