//! A queue of RabbitMQ, from which messages are taken.

use std::fmt::{self, Debug, Formatter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value};
use tindra_outside::http::systems_trust;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::amqp::consumer::{Consumer, Delivery};
use crate::record::record;
use crate::{BrokerError, BrokerUrl};

/// How long connecting may take, logging in included.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) type BoxedStream = Box<dyn Stream>;

impl Debug for dyn Stream {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("Stream")
    }
}

/// Which queue of which broker, and as whom.
#[derive(Clone)]
pub struct RabbitOptions {
    /// Where the broker is.
    pub url: BrokerUrl,
    /// A PEM file with the authorities that its certificate may come from; none for the system's.
    pub authorities: Option<PathBuf>,
    /// To log in with.
    pub user: String,
    /// To log in with.
    pub password: String,
    /// For example `/`.
    pub virtual_host: String,
    /// The queue.
    pub queue: String,
    /// What the broker shows of the connection.
    pub name: String,
    /// Messages that the broker may send before the first of them is acknowledged.
    pub messages_max: u16,
}

/// Without the password.
impl Debug for RabbitOptions {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { url, virtual_host, queue, .. } = self;
        write!(out, "RabbitOptions({queue}::{virtual_host} at {url})")
    }
}

/// A message as it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct RabbitMessage {
    /// By which it is acknowledged, on the connection that it came by.
    pub tag: u64,
    /// Of its body.
    pub bytes: u64,
    /// How a function sees it.
    pub members: Map<String, Value>,
    /// Its body; empty when it has more bytes than any event may have.
    pub body: Vec<u8>,
}

/// A connection to a broker, by which the messages of a queue come.
#[derive(Debug)]
pub struct RabbitQueue(Consumer);

impl RabbitQueue {
    /// Connects, logs in and asks for messages, within ten seconds.
    ///
    /// # Errors
    /// When that fails, or the broker refuses.
    pub async fn open(options: &RabbitOptions) -> Result<Self, BrokerError> {
        let opened = timeout(OPEN_TIMEOUT, async { Consumer::open(connect(options).await?, options).await });
        opened.await.unwrap_or(Err(BrokerError::TooSlow("connecting"))).map(Self)
    }

    /// The next message, whenever it comes; giving up waiting loses none.
    ///
    /// # Errors
    /// When the connection has ended: all that is not acknowledged comes again, to whoever asks next.
    pub async fn take(&mut self) -> Result<RabbitMessage, BrokerError> {
        let Delivery { tag, is_redelivered, properties, bytes, body } = self.0.next().await?;
        let members = record(&properties, is_redelivered, bytes, &body);
        Ok(RabbitMessage { tag, bytes, members, body })
    }

    /// Tells that a message is done with, and with `all_before` all that came before it.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn acknowledge(&self, tag: u64, all_before: bool) -> Result<(), BrokerError> {
        self.0.ack(tag, all_before).await
    }

    /// Tells that a message will never be handled: the queue's dead-letter exchange gets it, if there is one.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn reject(&self, tag: u64) -> Result<(), BrokerError> {
        self.0.reject(tag).await
    }

    /// Ends the connection; what is not acknowledged comes again.
    pub async fn close(self) {
        self.0.close().await;
    }
}

async fn connect(options: &RabbitOptions) -> Result<BoxedStream, BrokerError> {
    let url = &options.url;
    let refused = |error: std::io::Error| BrokerError::Lost(format!("failed to connect to {url}: {error}"));
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(refused)?;
    // Acknowledgements are small, and wait for nothing.
    let _ = stream.set_nodelay(true);
    if !url.is_tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(url.host.clone())
        .map_err(|_| BrokerError::Trust(format!("{} is no name of a certificate", url.host)))?;
    let authorities = options.authorities.clone();
    // Files are read.
    let trust = tokio::task::spawn_blocking(move || authorities.as_deref().map_or_else(|| Ok(systems_trust()), trust));
    let trust = trust.await.map_err(|error| BrokerError::Trust(error.to_string()))??;
    Ok(Box::new(TlsConnector::from(trust).connect(name, stream).await.map_err(refused)?))
}

/// Trusts the authorities of a file.
fn trust(file: &Path) -> Result<Arc<ClientConfig>, BrokerError> {
    let unusable = |error: String| BrokerError::Trust(format!("failed to read {}: {error}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
