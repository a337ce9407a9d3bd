"""The two kinds of sockets that clients are served at: bare ones, and those that speak TLS.

Neither ever waits: what cannot be done just now is told, and tried again when the socket is ready.
"""

from __future__ import annotations

import os
import select
import socket

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import ssl

_STEP = 4 << 20  # bytes that one call sends at most
_BREATH = 20  # ms that a thread waits for a client


class Plain:
    """A bare socket."""

    scheme = "http"
    sends_files = True  # so that their bytes never come here

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.fd = sock.fileno()

    def receive(self, most: int) -> bytes | None:
        """What has come, at most `most` bytes; b"" at its end, None if nothing has."""
        try:
            return self.sock.recv(most)
        except BlockingIOError:
            return None

    def send(self, data: bytes | memoryview, *, more: bool = False) -> int:
        """Send what is taken now, and say how much that is. With `more`, more follows at once."""
        try:
            return self.sock.send(data, socket.MSG_MORE if more else 0)
        except BlockingIOError:
            return 0

    def has_more(self) -> bool:
        """Whether something has come that the kernel does not know of any more."""
        return False

    def end(self) -> None:
        """Let the client know that nothing follows; what it sends is received still."""
        self.sock.shutdown(socket.SHUT_WR)


class Secure:
    """A socket that speaks TLS."""

    scheme = "https"
    sends_files = False

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        import ssl

        sock.setblocking(False)
        self.sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.fd = self.sock.fileno()
        self._later = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
        self._is_shaken = False

    def receive(self, most: int) -> bytes | None:
        """As `Plain.receive`; OSError too if what comes is no TLS."""
        try:
            if not self._is_shaken:
                # What it sends is shorter than any buffer, so it waits to receive only.
                self.sock.do_handshake()
                self._is_shaken = True
            return self.sock.recv(most)
        except self._later:
            return None

    def send(self, data: bytes | memoryview, *, more: bool = False) -> int:
        try:
            return self.sock.send(data)
        except self._later:
            return 0

    def has_more(self) -> bool:
        return self.sock.pending() > 0

    def end(self) -> None:
        try:
            self.sock.unwrap()  # which says so to the client, and then waits for its answer
        except (OSError, ValueError):
            pass
        self.sock.shutdown(socket.SHUT_WR)


Wire = Plain | Secure


def send_file(fd: int, file: int, offset: int, count: int) -> int:
    """Send bytes of a file until the client takes no more, and say how many they were.

    In a thread: it reads the disk, and waits for a client that is nearly ready. Both descriptors
    are closed, so they are ones of its own: whoever leaves meanwhile closes theirs, and the number
    becomes that of somebody else's file. EOFError if the file has no more bytes.
    """
    try:
        sent = 0
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        while sent < count:
            try:
                step = os.sendfile(fd, file, offset + sent, min(count - sent, _STEP))
            except BlockingIOError:
                if not poll.poll(_BREATH):
                    break
                continue
            if not step:
                raise EOFError("the file is shorter than it was")
            sent += step
        return sent
    finally:
        os.close(fd)
        os.close(file)


def context(certificate: str, key: str) -> ssl.SSLContext:
    """What sockets that speak TLS have in common; OSError, ValueError."""
    import ssl

    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    found.set_alpn_protocols(["http/1.1"])
    found.load_cert_chain(certificate, key, password="")
    return found
