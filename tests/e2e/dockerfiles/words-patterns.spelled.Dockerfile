FROM busybox:musl
ENV V=foo-bar-baz.tar.gz
ENV A=bar-baz.tar.gz B=baz.tar.gz C=foo-bar-baz.tar D=foo-bar-baz E=foo-x-baz.tar.gz
ENV F=foo_bar_baz.tar.gz G=d H=y
