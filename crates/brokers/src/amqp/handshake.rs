//! Opening a connection: who one is, what is agreed on, and from which queue messages are wanted.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt as _, BufReader, ReadHalf};

use super::consumer::Writer;
use super::frame::{self, Kind};
use super::method::{self, Received};
use super::{CHANNEL, FRAME_BYTES_MAX};
use crate::BrokerError;
use crate::rabbit::{BoxedStream, RabbitOptions};

/// What a connection begins with.
const HEAD: &[u8] = b"AMQP\0\0\x09\x01";
/// Silence that is asked for at most; where the broker proposes less, less.
const HEARTBEAT_S: u16 = 30;
/// The one channel and, by its number, no other.
const CHANNELS_MAX: u16 = 1;

/// A connection from which messages come.
pub(super) struct Opened {
    pub(super) reader: BufReader<ReadHalf<BoxedStream>>,
    pub(super) writer: Writer,
    /// Each side says within this time that it is there.
    pub(super) heartbeat: Duration,
}

/// Opens a connection over a stream, and asks for the messages of a queue.
pub(super) async fn open(mut stream: BoxedStream, options: &RabbitOptions) -> Result<Opened, BrokerError> {
    stream.write_all(HEAD).await.map_err(|error| BrokerError::lost(&error))?;
    let (reader, writer) = tokio::io::split(stream);
    let (mut reader, writer) = (BufReader::new(reader), Writer::new(writer));
    let Received::Start { mechanisms } = next(&mut reader).await? else { return Err(unexpected()) };
    if !mechanisms.split(|byte| *byte == b' ').any(|mechanism| mechanism == b"PLAIN") {
        return Err(BrokerError::Lost("it lets nobody log in by PLAIN".to_owned()));
    }
    writer.method(0, &method::start_ok(&options.user, &options.password, &options.name)?).await?;
    let Received::Tune { channels_max, frame_bytes_max, heartbeat_s } = next(&mut reader).await? else {
        return Err(unexpected());
    };
    // 0 is without limit, for each of the three.
    let at_most = |theirs: u32, ours: u32| if theirs == 0 { ours } else { theirs.min(ours) };
    let heartbeat_s = if heartbeat_s == 0 { HEARTBEAT_S } else { heartbeat_s.min(HEARTBEAT_S) };
    let channels_max = if channels_max == 0 { CHANNELS_MAX } else { channels_max.min(CHANNELS_MAX) };
    let frame_bytes_max = at_most(frame_bytes_max, FRAME_BYTES_MAX);
    writer.method(0, &method::tune_ok(channels_max, frame_bytes_max, heartbeat_s)).await?;
    ask(&mut reader, &writer, 0, &method::open(&options.virtual_host)?, Received::OpenOk).await?;
    ask(&mut reader, &writer, CHANNEL, &method::channel_open(), Received::ChannelOpenOk).await?;
    ask(&mut reader, &writer, CHANNEL, &method::qos(options.messages_max), Received::QosOk).await?;
    let consume = method::consume(&options.queue, &options.name)?;
    ask(&mut reader, &writer, CHANNEL, &consume, Received::ConsumeOk).await?;
    Ok(Opened { reader, writer, heartbeat: Duration::from_secs(heartbeat_s.into()) })
}

async fn ask(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &Writer,
    channel: u16,
    method: &[u8],
    answer: Received,
) -> Result<(), BrokerError> {
    writer.method(channel, method).await?;
    loop {
        match next(reader).await? {
            received if received == answer => return Ok(()),
            Received::Other => {}
            _ => return Err(unexpected()),
        }
    }
}

/// The next method; a refusal is an error.
async fn next(reader: &mut (impl AsyncRead + Unpin)) -> Result<Received, BrokerError> {
    loop {
        let frame = frame::read(reader).await?;
        match frame.kind {
            Kind::Heartbeat => {}
            Kind::Method => match Received::read(&frame.bytes)? {
                Received::Close { code, text } | Received::ChannelClose { code, text } => {
                    return Err(BrokerError::Refused { code, text });
                }
                received => return Ok(received),
            },
            Kind::Header | Kind::Body => return Err(unexpected()),
        }
    }
}

fn unexpected() -> BrokerError {
    BrokerError::Malformed("it answers what it was not asked")
}
