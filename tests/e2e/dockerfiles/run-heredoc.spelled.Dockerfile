FROM busybox:musl
ENV V=v
RUN echo first > /a
RUN echo $V > /b
RUN echo 'content $V' > /c
RUN echo shebang > /d
