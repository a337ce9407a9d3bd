FROM alpine:3.20
RUN mkdir /m && cd /m && touch s g t && chmod 4755 s && chmod 2755 g && mkdir -m 1777 d && mkdir -m 2755 e
RUN chown 1:2 /m/s && chown -h 3:4 /m/t && mkfifo -m 600 /m/pipe && chmod 700 /root && chgrp 5 /etc/motd
RUN umask 077 && mkdir /m/closed && echo x > /m/closed/x
RUN truncate -s 1M /m/hole && ln -s s /m/l && chown -h 5:6 /m/l
