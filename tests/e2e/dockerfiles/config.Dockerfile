# Case from-local is built on it.
FROM busybox:musl
ENV A=a B="b c"
LABEL from=base
RUN mkdir -m 777 /all
USER 5:6
WORKDIR /all
VOLUME /data
EXPOSE 80
STOPSIGNAL SIGINT
HEALTHCHECK --interval=3s CMD true
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["sleep"]
CMD ["5"]
ONBUILD COPY --chown=5 a.txt /all/trigger
ONBUILD RUN cat /all/trigger > /all/copied
