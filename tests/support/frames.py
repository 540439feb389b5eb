"""Frames of HTTP/2 on a socket, as no decent client sends them."""

import hpack
import hyperframe.frame as frame

from support.raw import Connection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, FRAME_SIZE_ERROR, CANCEL, ENHANCE_YOUR_CALM = 0x0, 0x1, 0x6, 0x8, 0xB


class Frames(Connection):
    """A connection that has opened as HTTP/2, with the settings of the caller's choice."""

    def __init__(self, server, settings=None, **kwargs):
        super().__init__(server, **kwargs)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.send(PREFACE)
        self.put(frame.SettingsFrame(0, settings=settings or {}))

    def put(self, *frames):
        """Sends frames; False when the server has closed meanwhile."""
        return self.send(b"".join(each.serialize() for each in frames))

    def request(self, stream, path="/_tindra/health", method="GET", headers=(), body=None, authority="localhost"):
        """The frames of a request; `body` None for none, b"" for one that is still to come."""
        head = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path), *headers]
        flags = ["END_HEADERS"] + (["END_STREAM"] if body is None else [])
        frames = [frame.HeadersFrame(stream, self.encoder.encode(head), flags=flags)]
        if body:
            frames.append(frame.DataFrame(stream, body, flags=["END_STREAM"]))
        return frames

    def ask(self, stream, **request):
        return self.put(*self.request(stream, **request))

    def next(self):
        """The next frame, or None at the end. Settings and pings are acknowledged."""
        while True:
            got = self.take()
            if isinstance(got, frame.SettingsFrame) and "ACK" not in got.flags:
                self.put(frame.SettingsFrame(0, flags=["ACK"]))
            elif isinstance(got, frame.PingFrame) and "ACK" not in got.flags:
                self.put(frame.PingFrame(0, got.opaque_data, flags=["ACK"]))
            return got

    def take(self):
        while len(self.received) < 9 or len(self.received) < 9 + int.from_bytes(self.received[:3], "big"):
            piece = self.read_some()
            if not piece:
                return None
            self.received += piece
        length = int.from_bytes(self.received[:3], "big")
        got, _ = frame.Frame.parse_frame_header(memoryview(self.received[:9]))
        got.parse_body(memoryview(self.received[9 : 9 + length]))
        self.received = self.received[9 + length :]
        return got

    def until(self, *kinds):
        """The next frame of one of these kinds, or None at the end."""
        while (got := self.next()) is not None:
            if isinstance(got, kinds):
                return got
        return None

    def status(self, stream):
        """The status of the answer on a stream; the frame that ended it instead, or None when the connection ended."""
        while got := self.until(frame.HeadersFrame, frame.RstStreamFrame, frame.GoAwayFrame):
            if isinstance(got, frame.HeadersFrame):
                head = dict(self.decoder.decode(got.data))
                if got.stream_id == stream:
                    return int(head[":status"])
            elif isinstance(got, frame.GoAwayFrame) or got.stream_id == stream:
                return got
        return None

    def goodbye(self):
        """The error code of the server's GOAWAY, or "closed" when it closed without one."""
        got = self.until(frame.GoAwayFrame)
        return "closed" if got is None else got.error_code


__all__ = ["Frames", "PREFACE", "frame"]
