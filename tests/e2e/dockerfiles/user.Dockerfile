FROM busybox:musl
RUN adduser -D -u 1234 joe && addgroup -g 4321 team && rm /etc/*- ; chmod 777 /mnt /srv 2>/dev/null; mkdir -m 777 /all
USER joe
RUN id -u > /all/1; id -g >> /all/1; echo $HOME >> /all/1
USER 77
RUN id -u > /all/2; id -g >> /all/2
USER joe:team
RUN id -u > /all/3; id -g >> /all/3
USER 5:6
RUN id -u > /all/4; id -g >> /all/4
COPY a.txt /all/
USER joe
