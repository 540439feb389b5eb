"""The transport of AWS's Python runtime client, in plain Python.

awslambdaric calls a compiled module named `runtime_client` for HTTP; this module has the same functions and
takes its place (bootstrap.py puts it there). It keeps one connection to the Runtime API, sends head and body
at once, and does not wait for the answer to a result before it asks for the next event: that answer is read
first when next() reads. A refused result therefore raises from next() instead of from the post, with the
same text.
"""

import array
import gc
import os
import socket

_HEADERS = {
    b"lambda-runtime-aws-request-id": "Lambda-Runtime-Aws-Request-Id",
    b"lambda-runtime-trace-id": "Lambda-Runtime-Trace-Id",
    b"lambda-runtime-invoked-function-arn": "Lambda-Runtime-Invoked-Function-Arn",
    b"lambda-runtime-deadline-ms": "Lambda-Runtime-Deadline-Ms",
    b"lambda-runtime-client-context": "Lambda-Runtime-Client-Context",
    b"content-type": "Content-Type",
    b"lambda-runtime-cognito-identity": "Lambda-Runtime-Cognito-Identity",
    b"lambda-runtime-aws-tenant-id": "Lambda-Runtime-Aws-Tenant-Id",
    b"lambda-runtime-invocation-id": "Lambda-Runtime-Invocation-Id",
}
_HEAD_BYTES_MAX = 1 << 20
_READ_BYTES = 1 << 16

# Says that the answer may come together with the next event: until then it would wake us for nothing.
_READ_WITH_NEXT = "Tindra-Answer-Is-Read-With-Next: 1\r\n"

_RESULT = "Failed to post invocation response"
_ERROR = "Failed to post invocation error"
_NEXT = "Failed to get next"
_RESTORE = "Failed to get restore/next"

_client = None


class _Closed(Exception):
    """The server closed the connection before a single byte of the answer."""


class _Client:
    def __init__(self, user_agent):
        address = os.environ["AWS_LAMBDA_RUNTIME_API"]
        host, _, port = address.rpartition(":")
        # As bytes, because for text a codec for international names is loaded.
        self._address = (host.encode("ascii"), int(port)) if host else (address.encode("ascii"), 80)
        self._common = "Host: %s\r\nAccept: */*\r\nUser-Agent: %s\r\n" % (address, user_agent)
        self._next = self._get("invocation/next")
        self._socket = None
        self._buffer = bytearray()
        # What the answer that is still to be read belongs to.
        self._unanswered = None

    def _get(self, path):
        return ("GET /2018-06-01/runtime/%s HTTP/1.1\r\n%s\r\n" % (path, self._common)).encode()

    def next(self):
        """Asks for the next event and waits for it."""
        return self._wait_for(self._next, _NEXT)

    def restore_next(self):
        """Waits until the process goes on after its snapshot, and leaves no connection open that a copy would share."""
        self._wait_for(self._get("restore/next"), _RESTORE)
        self._close()

    def wait_as_original(self, control):
        """Has come to its snapshot: forks a copy for each request on the control socket, and returns in the copies. With
        threads or connections, which no fork would survive, it says so and waits as `restore_next` does."""
        request = self._get("restore/next")
        self._send(request)
        reason = _unsuitable({control, self._socket.fileno()})
        os.write(control, b"U" + reason.encode()[:500] if reason else b"S")
        if reason:
            os.close(control)
            self._close()
            self.restore_next()
            return
        gc.collect()
        # What all copies have in common is not to be written to by a collection in one of them.
        gc.freeze()
        requests = socket.socket(fileno=control)
        while True:
            descriptors = _receive(requests)
            if descriptors is None:
                os._exit(0)
            # By now the server has read what was sent; a connection that closes sooner may not be read at all.
            self._close()
            if _fork_twice():
                requests.close()
                self._go_on(descriptors)
                return
            for descriptor in descriptors:
                os.close(descriptor)

    def _go_on(self, descriptors):
        """In a copy: takes what it was handed, says that it is ready, and waits to be let go."""
        connection, ready, stdout, stderr, log = descriptors[:5]
        for tasks in descriptors[5:]:
            os.write(tasks, b"0")
        for descriptor, place in ((stdout, 1), (stderr, 2), (log, 3)):
            os.dup2(descriptor, place, inheritable=place < 3)
        for descriptor in (stdout, stderr, log) + tuple(descriptors[5:]):
            os.close(descriptor)
        self._socket = socket.socket(fileno=connection)
        os.write(ready, b"R")
        if not os.read(ready, 1):
            os._exit(0)
        os.close(ready)

    def _wait_for(self, request, failure):
        for attempt in (1, 2):
            try:
                self._send(request)
                self._settle()
                status, headers, body = self._answer()
                break
            except (_Closed, BrokenPipeError, ConnectionResetError):
                # An idle connection that the server has closed: ask again on a new one.
                self._close()
                self._unanswered = None
                if attempt == 2:
                    raise RuntimeError(failure) from None
        if status // 100 != 2:
            raise RuntimeError(failure)
        return body, headers

    def post(self, path, head, body, failure):
        """Sends a result; its answer is read by the next call. The answer to a result before, if nobody has read it, comes
        when this one is sent, and is read then."""
        request = "POST /2018-06-01/runtime/%s HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n" % (
            path,
            self._common,
            head,
            len(body),
        )
        data = b"".join((request.encode(), body))
        try:
            self._send(data)
            try:
                self._settle()
            finally:
                self._unanswered = failure
        except (BrokenPipeError, ConnectionResetError, _Closed):
            # An answer sent before the body was read, such as 413, explains the broken pipe.
            self._unanswered = failure
            try:
                self._settle()
            except (_Closed, OSError):
                pass
            self._close()
            try:
                self._send(data)
            except OSError:
                raise RuntimeError(failure) from None
        self._unanswered = failure

    def _settle(self):
        """Reads the answer to the post before, if it is still to come."""
        failure, self._unanswered = self._unanswered, None
        if failure is None:
            return
        status, _, _ = self._answer()
        if status // 100 != 2:
            raise RuntimeError(failure)

    def _send(self, data):
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._socket.connect(self._address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(data)

    def _close(self):
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer.clear()

    def reset(self):
        """As before the first request."""
        self._close()
        self._unanswered = None

    def _answer(self):
        """Reads one answer: status, known headers, body."""
        buffer = self._buffer
        while True:
            end = buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            if len(buffer) > _HEAD_BYTES_MAX:
                raise RuntimeError("the head of an answer of the Runtime API is too long")
            self._fill()
        lines = bytes(buffer[:end]).split(b"\r\n")
        del buffer[: end + 4]
        status = int(lines[0].split(b" ", 2)[1])
        if status == 100:
            return self._answer()
        headers = dict.fromkeys(_HEADERS.values())
        length = None
        chunked = keep = False
        closing = lines[0].startswith(b"HTTP/1.0")
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip()
            known = _HEADERS.get(name)
            if known is not None:
                headers[known] = value.decode("utf-8", "replace") or None
            elif name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                chunked = b"chunked" in value.lower()
            elif name == b"connection":
                closing = b"close" in value.lower() or (closing and b"keep-alive" not in value.lower())
        deadline = headers["Lambda-Runtime-Deadline-Ms"]
        headers["Lambda-Runtime-Deadline-Ms"] = int(deadline) if deadline else 0
        if status in (204, 304):
            body = b""
        elif chunked:
            body = self._chunks()
        elif length is not None:
            body = self._exactly(length)
        else:
            body, closing = self._rest(), True
        if closing:
            self._close()
        return status, headers, body

    def _fill(self):
        data = self._socket.recv(_READ_BYTES) if self._socket is not None else b""
        if not data:
            if self._buffer:
                raise RuntimeError("the Runtime API ended an answer too early")
            raise _Closed()
        self._buffer += data

    def _exactly(self, length):
        buffer = self._buffer
        if len(buffer) >= length:
            body = bytes(buffer[:length])
            del buffer[:length]
            return body
        body = bytearray(length)
        have = len(buffer)
        body[:have] = buffer
        buffer.clear()
        view = memoryview(body)
        while have < length:
            count = self._socket.recv_into(view[have:])
            if count == 0:
                raise RuntimeError("the Runtime API ended an answer too early")
            have += count
        view.release()
        return bytes(body)

    def _line(self):
        while True:
            end = self._buffer.find(b"\r\n")
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 2]
                return line
            self._more()

    def _more(self):
        try:
            self._fill()
        except _Closed:
            raise RuntimeError("the Runtime API ended an answer too early") from None

    def _chunks(self):
        parts = []
        while True:
            size = int(self._line().split(b";", 1)[0], 16)
            if size == 0:
                break
            parts.append(self._exactly(size))
            self._line()
        while self._line():
            pass  # Trailers.
        return b"".join(parts)

    def _rest(self):
        parts = [bytes(self._buffer)]
        self._buffer.clear()
        while True:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                return b"".join(parts)
            parts.append(data)


def initialize_client(user_agent):
    """Called once, when the client is imported. Connects at the first request."""
    global _client
    _client = _Client(user_agent)


def next():
    """Waits for the next event; returns its bytes and its headers."""
    return _client.next()


# The control socket of a process that is to be copied.
original_control = None


def restore_next():
    """Waits until the process goes on after its snapshot. The official module leaves this to http.client."""
    if original_control is None:
        _client.restore_next()
    else:
        _client.wait_as_original(original_control)


def report_restore_error(error):
    """Says that a hook after the restore has failed, over the copy's own connection."""
    import json

    head = "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: Runtime.AfterRestoreError\r\n"
    _client.post("restore/error", head, json.dumps(error).encode("utf-8"), _RESTORE)
    # The client exits after this.
    _client._settle()


def _unsuitable(own):
    """Why this process cannot be copied, or nothing."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        return "%d threads are running" % threads
    for name in os.listdir("/proc/self/fd"):
        try:
            is_socket = os.readlink("/proc/self/fd/" + name).startswith("socket:")
        except OSError:
            continue  # The directory itself.
        if is_socket and int(name) not in own:
            return "a socket is open (descriptor %s)" % name
    return None


def _receive(requests):
    """The descriptors of the next request; None when nobody will ask any more."""
    size = array.array("i").itemsize
    data, ancillary, _, _ = requests.recvmsg(1, socket.CMSG_SPACE(32 * size))
    descriptors = array.array("i")
    for level, kind, rights in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(rights[: len(rights) - len(rights) % size])
    return list(descriptors) if data else None


def _fork_twice():
    """True in the copy. Its parent ends at once, so that nobody here has to wait for it."""
    between = os.fork()
    if between == 0:
        if os.fork() != 0:
            os._exit(0)
        return True
    try:
        os.waitpid(between, 0)
    except ChildProcessError:
        pass  # The function has said that it does not care for its children.
    return False


def post_invocation_result(invoke_id, result, content_type="application/json", invocation_id=None):
    """Sends the bytes that the handler returned."""
    head = "Content-Type: %s\r\n%s%s" % (content_type, _READ_WITH_NEXT, _invocation(invocation_id))
    _client.post("invocation/%s/response" % invoke_id, head, result, _RESULT)


def post_error(invoke_id, error, xray_fault, invocation_id=None):
    """Sends the error object (text) and its form for X-Ray."""
    head = "Content-Type: application/json\r\n%s%s" % (_READ_WITH_NEXT, _invocation(invocation_id))
    if xray_fault:
        head += "lambda-runtime-function-xray-error-cause: %s\r\n" % xray_fault
    body = error if isinstance(error, bytes) else error.encode("utf-8")
    _client.post("invocation/%s/error" % invoke_id, head, body, _ERROR)


def _invocation(invocation_id):
    return "Lambda-Runtime-Invocation-Id: %s\r\n" % invocation_id if invocation_id else ""
