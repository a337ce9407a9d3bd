# An image with no file of its own.
FROM scratch
LABEL only=config
