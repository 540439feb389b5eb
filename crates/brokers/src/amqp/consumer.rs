//! Taking messages from an open connection.
//!
//! One task reads what comes and says that we are there, so that the broker finds its connection alive whatever the function is
//! doing. It holds no more messages than the broker sends without an acknowledgement, and of large ones no more than there is room
//! for: then it reads on when some were taken.

use std::sync::Arc;
use std::time::Duration;

use tindra_core::limits;
use tokio::io::{AsyncRead, AsyncWriteExt as _, WriteHalf};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::CHANNEL;
use super::frame::{self, Frame, Kind};
use super::handshake::{self, Opened};
use super::method::{self, Received};
use super::properties::{self, Properties};
use crate::BrokerError;
use crate::rabbit::{BoxedStream, RabbitOptions};

/// How long writing may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of bodies that are read ahead.
const AHEAD_BYTES_MAX: usize = 8 * limits::SYNC_REQUEST_BYTES_MAX;
/// How long the broker may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivery {
    /// Its number on this connection.
    pub(crate) tag: u64,
    pub(crate) is_redelivered: bool,
    pub(crate) properties: Properties,
    /// Of the body.
    pub(crate) bytes: u64,
    /// The body; empty when it has more bytes than any event.
    pub(crate) body: Vec<u8>,
}

/// A message that was read ahead, with its room.
type Ahead = (Delivery, OwnedSemaphorePermit);

/// The sending end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Writer(Arc<Mutex<WriteHalf<BoxedStream>>>);

impl Writer {
    pub(super) fn new(stream: WriteHalf<BoxedStream>) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    pub(super) async fn method(&self, channel: u16, method: &[u8]) -> Result<(), BrokerError> {
        self.write(&frame::method(channel, method)).await
    }

    async fn write(&self, bytes: &[u8]) -> Result<(), BrokerError> {
        let written = timeout(WRITE_TIMEOUT, async {
            let mut stream = self.0.lock().await;
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        match written.await {
            Ok(written) => written.map_err(|error| BrokerError::lost(&error)),
            Err(_) => Err(BrokerError::TooSlow("writing to it")),
        }
    }
}

/// Gets the messages of one queue.
#[derive(Debug)]
pub(crate) struct Consumer {
    deliveries: mpsc::Receiver<Result<Ahead, BrokerError>>,
    writer: Writer,
    task: JoinHandle<()>,
}

impl Consumer {
    /// Logs in over a stream and asks for messages.
    pub(crate) async fn open(stream: BoxedStream, options: &RabbitOptions) -> Result<Self, BrokerError> {
        let Opened { mut reader, writer, heartbeat } = handshake::open(stream, options).await?;
        // Room for all that the broker sends without an acknowledgement, and for why there is no more.
        let (sender, deliveries) = mpsc::channel(usize::from(options.messages_max) + 1);
        let of_task = writer.clone();
        let task = tokio::spawn(async move {
            let ended = tokio::select! {
                ended = receive(&mut reader, &of_task, &sender, heartbeat * 2) => ended,
                error = beat(&of_task, heartbeat / 2) => Err(error),
            };
            if let Err(error) = ended {
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok(Self { deliveries, writer, task })
    }

    /// The next message, whenever it comes; giving up waiting loses none.
    pub(crate) async fn next(&mut self) -> Result<Delivery, BrokerError> {
        let next = self.deliveries.recv().await;
        let next = next.unwrap_or_else(|| Err(BrokerError::Lost("the connection has ended".to_owned())));
        next.map(|(delivery, _room)| delivery)
    }

    /// Tells that a message is done with, or all up to it.
    pub(crate) async fn ack(&self, tag: u64, all_before: bool) -> Result<(), BrokerError> {
        self.writer.method(CHANNEL, &method::ack(tag, all_before)).await
    }

    /// Tells that a message will never be taken.
    pub(crate) async fn reject(&self, tag: u64) -> Result<(), BrokerError> {
        self.writer.method(CHANNEL, &method::reject(tag)).await
    }

    /// Ends the connection; what is not acknowledged is there for others again.
    pub(crate) async fn close(mut self) {
        if self.writer.method(0, &method::close()).await.is_ok() {
            // Otherwise the broker finds that the connection has gone.
            let _ = timeout(CLOSE_TIMEOUT, &mut self.task).await;
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Says again and again that we are there, until that cannot be said.
async fn beat(writer: &Writer, interval: Duration) -> BrokerError {
    loop {
        sleep(interval).await;
        if let Err(error) = writer.write(&frame::heartbeat()).await {
            return error;
        }
    }
}

/// Reads until the connection ends as it was asked to, or nobody wants messages any more.
async fn receive(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &Writer,
    deliveries: &mpsc::Sender<Result<Ahead, BrokerError>>,
    silence_max: Duration,
) -> Result<(), BrokerError> {
    let room = Arc::new(Semaphore::new(AHEAD_BYTES_MAX));
    loop {
        let frame = next_frame(reader, silence_max).await?;
        if frame.kind != Kind::Method {
            return Err(BrokerError::Malformed("a part of a message comes without the message"));
        }
        match Received::read(&frame.bytes)? {
            Received::Deliver { tag, is_redelivered } => {
                let delivery = message(reader, silence_max, &room, tag, is_redelivered).await?;
                if deliveries.send(Ok(delivery)).await.is_err() {
                    return Ok(());
                }
            }
            Received::Close { code, text } => {
                let _ = writer.method(0, &method::close_ok()).await;
                return Err(BrokerError::Refused { code, text });
            }
            Received::ChannelClose { code, text } => return Err(BrokerError::Refused { code, text }),
            Received::Cancel => return Err(BrokerError::Lost("the queue has gone".to_owned())),
            Received::CloseOk => return Ok(()),
            Received::Flow { is_active } => writer.method(CHANNEL, &method::flow_ok(is_active)).await?,
            _ => {}
        }
    }
}

/// Reads what follows on the announcement of a message.
async fn message(
    reader: &mut (impl AsyncRead + Unpin),
    silence_max: Duration,
    room: &Arc<Semaphore>,
    tag: u64,
    is_redelivered: bool,
) -> Result<Ahead, BrokerError> {
    let header = next_frame(reader, silence_max).await?;
    if header.kind != Kind::Header {
        return Err(BrokerError::Malformed("a message has no header"));
    }
    let (bytes, properties) = properties::header(&header.bytes)?;
    let is_kept = bytes <= limits::SYNC_REQUEST_BYTES_MAX as u64;
    let kept_bytes = if is_kept { u32::try_from(bytes).unwrap_or_default() } else { 0 };
    let room = Arc::clone(room).acquire_many_owned(kept_bytes).await;
    let room = room.map_err(|_| BrokerError::Lost("the connection has ended".to_owned()))?;
    let (mut body, mut read_bytes) = (Vec::new(), 0u64);
    while read_bytes < bytes {
        let part = next_frame(reader, silence_max).await?;
        read_bytes += part.bytes.len() as u64;
        if part.kind != Kind::Body || read_bytes > bytes {
            return Err(BrokerError::Malformed("a message is not what was announced"));
        }
        if is_kept {
            body.extend(part.bytes);
        }
    }
    Ok((Delivery { tag, is_redelivered, properties, bytes, body }, room))
}

/// The next frame that says more than that the broker is there.
async fn next_frame(reader: &mut (impl AsyncRead + Unpin), silence_max: Duration) -> Result<Frame, BrokerError> {
    loop {
        let read = timeout(silence_max, frame::read(reader)).await;
        let frame = read.unwrap_or(Err(BrokerError::TooSlow("hearing of it")))?;
        if frame.kind != Kind::Heartbeat {
            return Ok(frame);
        }
    }
}

#[cfg(test)]
mod tests;
