FROM busybox:musl
CMD echo "$HOME" && ls
