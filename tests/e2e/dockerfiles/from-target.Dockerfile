FROM busybox:musl AS first
RUN echo first > /which
CMD ["first"]
FROM busybox:musl AS second
RUN exit 1
