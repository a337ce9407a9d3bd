# escape=`
FROM busybox:musl
# a comment

RUN echo one && `
    echo C:\two > /file
ENV PATH_LIKE=C:\dir
COPY a.txt `
  b.txt /x/
