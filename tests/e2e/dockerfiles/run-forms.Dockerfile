FROM busybox:musl
RUN ["/bin/sh", "-c", "echo exec > /exec"]
RUN ["touch", "/with space", "/$HOME"]
RUN echo one \
# a comment between the lines
    two \

    three > /shell
RUN set -e; for i in 1 2; do echo "$i" >> /loop; done
RUN echo 'single $HOME' "double $HOME" back\\slash > /quotes
run echo lower > /lower
