FROM busybox:musl
ENV WHO=world
COPY <<plain <<"quoted" /here/
hello $WHO
plain
hello $WHO
quoted
COPY --chmod=0700 --chown=1:2 <<-EOF /script
	#!/bin/sh
	echo ${WHO:-nobody}
EOF
ADD <<a a.txt /mixed/
heredoc
a
