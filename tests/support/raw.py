"""Bytes on a socket, as no decent client sends them."""

import re
import socket

BOUND_S = 20


class Connection:
    """One connection to a server. Use as a context manager."""

    def __init__(self, server, bound_s=BOUND_S):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=bound_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Sends; False when the other side has closed meanwhile."""
        try:
            self.socket.sendall(data if isinstance(data, bytes) else data.encode())
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def read_some(self):
        """The next bytes; b"" at the end."""
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def read_all(self):
        """Everything until the server closes."""
        while piece := self.read_some():
            self.received += piece
        return self.received

    def answer(self):
        """(status, head, body) of the next answer, or None when there is none before the end."""
        while b"\r\n\r\n" not in self.received:
            piece = self.read_some()
            if not piece:
                return None
            self.received += piece
        head, _, rest = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        wanted = int(length[1]) if length else 0
        while len(rest) < wanted:
            piece = self.read_some()
            assert piece, "the answer is cut off"
            rest += piece
        self.received = rest[wanted:]
        return int(head.split()[1]), head.decode("latin-1"), rest[:wanted]

    def is_closed(self):
        """Waits until the server closes, and expects nothing before that."""
        return self.received == b"" and self.read_some() == b""


def exchange(server, data):
    """Sends bytes on a connection of their own; the statuses of all answers until the server closes."""
    with Connection(server) as connection:
        connection.send(data)
        statuses = []
        while answer := connection.answer():
            statuses.append(answer[0])
        return statuses


def resident_kb(pid):
    """Memory of a process that is in RAM now."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
