FROM busybox:musl
CMD ["first"]
CMD ["exec", "form with space", "$NOT"]
