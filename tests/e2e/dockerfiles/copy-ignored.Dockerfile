FROM scratch
COPY . /
COPY dir /again/
