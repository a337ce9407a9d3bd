FROM busybox:musl
ENV ONE=1 TWO="2 and" THREE=3\ and
ENV OLD the whole   rest of "the" line
ENV ONE=one NEXT=$ONE
ENV AFTER=$ONE PATH=/opt/bin:$PATH
RUN env | grep -E '^(ONE|TWO|THREE|OLD|NEXT|AFTER|PATH)=' | sort > /env
