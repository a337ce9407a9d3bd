FROM bare-busybox:musl
RUN ls / > /root/seen 2>&1; rm /root/seen
