FROM busybox:musl
ARG DEFAULT=default
ARG GIVEN=default
ARG UNSET
ARG BOTH=arg
ENV BOTH=env
ARG LATE=$DEFAULT-$GIVEN
RUN echo "$DEFAULT/$GIVEN/${UNSET-unset}/$BOTH/$LATE" > /args
FROM busybox:musl
RUN echo "${DEFAULT-gone}" > /gone
COPY --from=0 /args /
