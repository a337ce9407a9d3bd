"""Users and groups as an image's own /etc/passwd and /etc/group name them.

Docker's rules (moby/sys/user, "GetExecUser"): a name before a number, a number needs no entry,
a user without a group gets its own from /etc/passwd, and then its supplementary groups too.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable

from lamina.errors import NotFound
from lamina.fs.mounts import RootPlan, opened, readable
from lamina.fs.root import Root
from lamina.oci.bundle import User
from lamina.values import dataclass

_MAX_ID = 2**31 - 1  # moby refuses larger ones
_MAX_SIZE = 16 * 1024 * 1024  # bytes of either file


@dataclass(frozen=True, slots=True)
class Account:
    """One line of passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class Group:
    """One line of group(5)."""

    name: str
    gid: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Login:
    """Who a process is, and where that user's home is."""

    user: User
    home: str


class UnknownUser(NotFound):
    """The image does not know a user or group by this name."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users and groups of one image, in the order of its files."""

    users: tuple[Account, ...] = ()
    groups: tuple[Group, ...] = ()

    @classmethod
    def parse(cls, passwd: bytes, group: bytes) -> Accounts:
        """Lines that are not as passwd(5) and group(5) say are passed over, as Docker does."""
        users = []
        for fields in _lines(passwd, 6):
            uid, gid = _number(fields[2]), _number(fields[3])
            if uid is not None and gid is not None:
                users.append(Account(fields[0], uid, gid, fields[5]))
        groups = []
        for fields in _lines(group, 3):
            gid = _number(fields[2])
            if gid is not None:
                members = fields[3].split(",") if len(fields) > 3 else []
                groups.append(Group(fields[0], gid, tuple(filter(None, members))))
        return cls(tuple(users), tuple(groups))

    def login(self, text: str = "", *, extra_groups: Iterable[str] = ()) -> Login:
        """The user that `user[:group]` means, each a name or a number; "" is root.

        `extra_groups` are added to the supplementary ones. UnknownUser for a name not here.
        """
        user_text, _, group_text = text.partition(":")
        account = self._account(user_text)
        groups: list[int] = []
        if group_text:
            gid = self.gid(group_text)
        else:
            gid = account.gid
            groups = [g.gid for g in self.groups if account.name and account.name in g.members]
        groups += [self.gid(name) for name in extra_groups]
        # The user's own group is a supplementary one too, as containerd and Docker have it.
        user = User(account.uid, gid, tuple(dict.fromkeys((gid, *groups))))
        return Login(user, account.home or "/")

    def uid(self, text: str) -> int:
        """The number of a user given by name or number."""
        return self._account(text).uid

    def gid(self, text: str) -> int:
        """The number of a group given by name or number."""
        for group in self.groups:
            if group.name == text:
                return group.gid
        number = _number(text)
        if number is None:
            raise UnknownUser(
                f'unable to find group "{text}": no matching entries in group file',
                hint="name a group of the image's /etc/group, or give its number",
            )
        return number

    def _account(self, text: str) -> Account:
        text = text or "0"
        number = _number(text)
        for account in self.users:
            if account.name == text or (number is not None and account.uid == number):
                return account
        if number is None:
            raise UnknownUser(
                f'unable to find user "{text}": no matching entries in passwd file',
                hint="name a user of the image's /etc/passwd, or give its number",
            )
        return Account("", number, 0, "/")


def read_accounts(plan: RootPlan) -> Accounts:
    """The accounts of the tree that `plan` mounts; a file that is missing is empty."""
    with opened(readable(plan)) as fd:
        return read_accounts_at(fd)


def read_accounts_at(fd: int) -> Accounts:
    """The accounts of the tree whose root is behind `fd`; links do not lead out of it."""
    root = Root(fd)
    return Accounts.parse(_content(root, "/etc/passwd"), _content(root, "/etc/group"))


def _content(root: Root, path: str) -> bytes:
    try:
        # Without waiting for a writer, should the image have a FIFO of that name.
        fd = root.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return b""
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        with open(fd, "rb", closefd=False) as file:
            return file.read(_MAX_SIZE)
    finally:
        os.close(fd)


def _lines(data: bytes, least: int) -> list[list[str]]:
    rows = (os.fsdecode(line.strip()) for line in data.split(b"\n"))
    split = (row.split(":") for row in rows if row and not row.startswith("#"))
    return [fields for fields in split if len(fields) >= least]


def _number(text: str) -> int | None:
    if not text.isascii() or not text.isdigit():
        return None
    number = int(text)
    return number if number <= _MAX_ID else None
