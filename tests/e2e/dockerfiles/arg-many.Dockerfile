FROM busybox:musl
ARG A=1 B=2 C="3 4"
RUN echo "$A $B $C" > /args
