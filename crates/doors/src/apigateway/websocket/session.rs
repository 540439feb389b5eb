//! One connection after its handshake: frames in, frames out, until somebody ends it.
//!
//! Reading, sending, time and the server's stop are watched side by side; the first to end says why. Sending never keeps
//! reading from happening, and a client that does not take what it is sent is given up.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tindra_core::limits;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connections::{Connection, Sending};

/// For the buffer of what is read; a connection that says nothing holds no more.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// For the last frames to go out, and for the client to end its side.
const FAREWELL: Duration = Duration::from_secs(5);
/// What is read and forgotten of a client whose connection has been closed.
const DISCARDED_BYTES_MAX: usize = 1 << 20;

/// How a connection ended, as `$disconnect` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
    by: Side,
}

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    /// The client is to be told.
    Server,
    /// Nobody can be told any more.
    Neither,
}

impl End {
    fn by_server(code: CloseCode, reason: &str) -> Self {
        Self { code: code.into(), reason: reason.to_owned(), by: Side::Server }
    }

    fn by_client(frame: Option<CloseFrame>) -> Self {
        let (code, reason) = match frame {
            Some(frame) => (frame.code.into(), frame.reason.as_str().to_owned()),
            None => (CloseCode::Status.into(), "Client-side close frame status not set".to_owned()),
        };
        Self { code, reason, by: Side::Client }
    }

    /// The connection broke, or was given up.
    pub(super) fn abnormal() -> Self {
        Self { code: CloseCode::Abnormal.into(), reason: "Connection Closed Abnormally".to_owned(), by: Side::Neither }
    }

    fn going_away() -> Self {
        Self::by_server(CloseCode::Away, "Going away")
    }

    fn of_error(error: &Error) -> Self {
        match error {
            Error::Capacity(_) => Self::by_server(CloseCode::Size, "Message too long"),
            Error::Utf8(_) => Self::by_server(CloseCode::Invalid, "Invalid UTF-8"),
            Error::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                Self::abnormal()
            }
            Error::Protocol(_) => Self::by_server(CloseCode::Protocol, "Protocol error"),
            _ => Self::abnormal(),
        }
    }
}

/// Moves messages between a client and `on_message`, which gets each with a place that it keeps until it is done with it:
/// there are so many places as messages may be worked on at once.
pub(super) async fn run<S>(
    stream: S,
    connection: &Arc<Connection>,
    waiting: UnboundedReceiver<Sending>,
    mut stop: watch::Receiver<bool>,
    on_message: impl Fn(Bytes, OwnedSemaphorePermit),
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_frame_size(Some(limits::WEBSOCKET_FRAME_BYTES_MAX))
        .max_message_size(Some(limits::WEBSOCKET_MESSAGE_BYTES_MAX));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (mut sink, mut frames) = socket.split();
    let end = tokio::select! {
        end = read(&mut frames, connection, on_message) => end,
        end = send(&mut sink, connection, waiting) => end,
        end = grow_old(connection) => end,
        // A sender that is gone means the same as one that said stop.
        _ = stop.wait_for(|stop| *stop) => End::going_away(),
    };
    if let Ok(socket) = frames.reunite(sink) {
        // Who does not let itself be told has been told for long enough.
        let _ = timeout(FAREWELL, part(socket, &end)).await;
    }
    end
}

async fn read<S>(
    frames: &mut SplitStream<WebSocketStream<S>>,
    connection: &Connection,
    on_message: impl Fn(Bytes, OwnedSemaphorePermit),
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let places = Arc::new(Semaphore::new(limits::WEBSOCKET_MESSAGES_RUNNING_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return End::abnormal() };
        let frame = frames.next().await;
        connection.note_active();
        match frame {
            Some(Ok(Message::Text(text))) => on_message(text.into(), place),
            Some(Ok(Message::Binary(_))) => {
                return End::by_server(CloseCode::Unsupported, "Binary frames are not supported");
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => return End::by_client(frame),
            Some(Err(error)) => return End::of_error(&error),
            None => return End::abnormal(),
        }
    }
}

async fn send<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    connection: &Connection,
    mut waiting: UnboundedReceiver<Sending>,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Sending::Message(message)) = waiting.recv().await {
        let frame = match std::str::from_utf8(&message) {
            Ok(text) => Message::text(text),
            Err(_) => Message::Binary(message.clone()),
        };
        match timeout(limits::WEBSOCKET_STALL_MAX, sink.send(frame)).await {
            Ok(Ok(())) => connection.note_sent(&message),
            Ok(Err(_)) => return End::abnormal(),
            Err(_) => {
                tracing::debug!(connection = connection.about.id, "a client does not read what it is sent");
                return End::abnormal();
            }
        }
    }
    End::by_server(CloseCode::Normal, "Connection Closed Normally")
}

/// Ends when nothing was said for too long, or the connection has lasted too long.
async fn grow_old(connection: &Connection) -> End {
    loop {
        let ends_at = connection.ends_at();
        if ends_at <= tokio::time::Instant::now() {
            return End::going_away();
        }
        sleep_until(ends_at).await;
    }
}

/// Says goodbye in the way that the end asks for.
async fn part<S>(mut socket: WebSocketStream<S>, end: &End)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match end.by {
        Side::Neither => return,
        // What answers the client's goodbye goes out as the stream ends.
        Side::Client => while let Some(Ok(_)) = socket.next().await {},
        Side::Server => {
            let frame = CloseFrame { code: end.code.into(), reason: end.reason.as_str().into() };
            if socket.close(Some(frame)).await.is_err() {
                return;
            }
        }
    }
    let stream = socket.get_mut();
    if stream.shutdown().await.is_err() || end.by == Side::Client {
        return;
    }
    // What the client still sends is read, because the system would otherwise tell it of an error and forget our last
    // frame.
    let mut scrap = [0; 1 << 10];
    let mut left = DISCARDED_BYTES_MAX;
    while let Ok(length) = stream.read(&mut scrap).await {
        left = left.saturating_sub(length);
        if length == 0 || left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
