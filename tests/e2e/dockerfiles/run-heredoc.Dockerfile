FROM busybox:musl
ENV V=v
RUN <<EOF
echo first > /a
echo $V > /b
EOF
RUN <<EOF cat > /c
content \$V
EOF
RUN <<EOF
#!/bin/sh -e
echo "$0" | grep -q EOF || true
echo shebang > /d
EOF
