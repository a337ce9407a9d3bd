FROM alpine:3.20
RUN mkdir -m 750 /there
COPY --chown=nobody:daemon a.txt /names/
COPY --chown=nobody b.txt /one
COPY --chown=12:34 dir /numbers
COPY --chown=56 run.sh /number/
COPY --chown=nobody:7 a.txt /mixed
COPY --chown=1:1 a.txt /there/
ARG WHO=games
COPY --chown=$WHO a.txt /var
