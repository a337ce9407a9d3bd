FROM alpine:3.20 AS base
RUN mkdir -p /d/e /f && echo 1 > /d/e/one && echo 2 > /d/two && echo 3 > /f/three
FROM base
RUN rm /etc/motd /d/two && rm -r /var/cache /f
RUN mkdir /f && echo new > /f/new
RUN rm -r /d && echo file > /d
RUN rm /etc/issue && mkdir -p /etc/issue/now
RUN touch /gone && rm /gone
