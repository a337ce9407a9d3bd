FROM alpine:3.20
RUN cat /etc/alpine-release > /release
