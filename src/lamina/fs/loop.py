"""Loop devices that read a file and go when nobody has them open (loop(4))."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

_CTL_GET_FREE = 0x4C82
_CONFIGURE = 0x4C0A  # Linux 5.8
_READ_ONLY, _AUTOCLEAR = 1, 4
# struct loop_config: the file, a block size (0: by itself), a loop_info64 whose flags are its
# fourteenth word, and room.
_CONFIG = struct.Struct("=II52xI176x64x")
_TRIES = 64


def attached(fd: int) -> tuple[int, str]:
    """A loop device over the open file `fd`: its descriptor, which the caller closes, and its path.

    Once that is closed and nothing has mounted it, the device is free again.
    """
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_TRIES):
            path = f"/dev/loop{fcntl.ioctl(control, _CTL_GET_FREE)}"
            device = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, _CONFIGURE, _CONFIG.pack(fd, 0, _READ_ONLY | _AUTOCLEAR))
                return device, path
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # else somebody was faster
                    raise
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, "no loop device stays free")
