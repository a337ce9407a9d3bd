FROM alpine:3.20
RUN echo same > /a && ln /a /b && mkdir /c && ln /a /c/d
RUN ln /etc/passwd /passwd && ln -s /etc/passwd /soft && ln -s ../nowhere /etc/dangling
RUN rm /b && ln /c/d /e && mv /c /moved
