"""The head of an HTTP request, as much of it as a page that is only read needs: RFC 9112."""

from __future__ import annotations

import re
from email.utils import formatdate
from http import HTTPStatus

from attrs import frozen

__all__ = ["LONGEST_HEAD", "Refused", "Request", "response"]

LONGEST_HEAD = 8192
"""Bytes that a head may have, with the empty line after it."""
_LINE = re.compile(r"([A-Z]{1,16}) ([\x21-\x7e]+) HTTP/1\.[01]")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")


class Refused(Exception):
    """It is not answered.

    Args:
        status: Why.
    """

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@frozen
class Request:
    """What somebody asks for.

    Attributes:
        method: `GET`, say.
        path: Of which page, without what comes after a `?`.
        accept: The forms in which it may come.
    """

    method: str
    path: str
    accept: str = ""

    @classmethod
    def parse(cls, head: bytes) -> Request:
        """The request with that head, which is without the empty line after it.

        Raises:
            Refused: It is none.
        """
        first, *fields = head.decode("latin-1").split("\r\n")
        line = _LINE.fullmatch(first)
        if line is None:
            raise Refused(HTTPStatus.BAD_REQUEST)
        accepted = []
        for text in fields:
            field = _FIELD.fullmatch(text)
            if field is None:
                raise Refused(HTTPStatus.BAD_REQUEST)
            if field[1].lower() == "accept":
                accepted.append(field[2].strip())
        return cls(line[1], line[2].partition("?")[0], ",".join(accepted))


def response(status: HTTPStatus, kind: str, body: bytes, **fields: str) -> bytes:
    """An answer after which the connection ends.

    Args:
        status: What became of it.
        kind: The type of the body.
        body: The body.
        fields: More fields of the head.
    """
    given = {
        "Date": formatdate(usegmt=True),
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **fields,
    }
    head = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{k}: {v}" for k, v in given.items())]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body
