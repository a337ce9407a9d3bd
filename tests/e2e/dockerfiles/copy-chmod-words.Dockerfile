FROM busybox:musl
COPY --chmod=u=rwx,g=rx,o= a.txt /a
COPY --chmod=a+x b.txt /b
COPY --chmod=go-r private /c
COPY --chmod=u+s,+x run.sh /d
