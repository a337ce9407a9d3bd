ARG NAME=busybox
ARG TAG=wrong
ARG BASE=${NAME}:${TAG}
FROM ${BASE} AS build
ARG TAG
ARG NAME
ARG BASE
RUN echo "$NAME $TAG $BASE" > /args
FROM ${UNSET:-$BASE}
COPY --from=build /args /
