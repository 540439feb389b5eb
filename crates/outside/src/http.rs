//! HTTP to one server: connecting, TLS with the system's roots, one request, an answer of bounded size.
//!
//! Nothing is tried again here, except what an idle connection was too old to be sent on. Redirects are not followed.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::Endpoint;

/// How long connecting may take; the handshake of TLS may take it again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the server may take to begin its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may have been idle and still be used: less than after what servers and gateways drop them.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// How much of an answer that is not a success is read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Asks one server, over one connection after the other, of which it keeps one for the next request.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    tls: OnceLock<Arc<ClientConfig>>,
    idle: Mutex<Option<Connection>>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Connecting, sending or reading failed or took too long. Another attempt may succeed.
    #[error("{0}")]
    Failed(String),
    /// A success has a larger body than wanted.
    #[error("its answer has more than {bytes_max} bytes")]
    TooLarge {
        /// What was wanted at most.
        bytes_max: usize,
    },
}

/// A connection, which ends when it is dropped.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    used_at: Instant,
}

/// A request without an answer; it comes back when nothing of it can have been sent.
struct Unanswered {
    request: Option<Request<Full<Bytes>>>,
    error: HttpError,
}

impl Client {
    /// Of a server. It connects when there is something to ask.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, tls: OnceLock::new(), idle: Mutex::new(None) }
    }

    /// The server.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends one request, whose URI is path and query; the `Host` header is added. A success may have a body of
    /// `bytes_max`; of another answer's body nothing is given when it is longer than 64 KiB.
    ///
    /// The server has ten seconds to begin its answer. How long the answer may take is the caller's to bound.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn send(&self, request: Request<Bytes>, bytes_max: usize) -> Result<Response<Bytes>, HttpError> {
        let mut request = request.map(Full::new);
        request.headers_mut().insert(header::HOST, self.endpoint.authority().clone());
        if let Some(mut connection) = self.take_idle() {
            match connection.ask(request).await {
                Ok(response) => return self.read(connection, response, bytes_max).await,
                Err(Unanswered { request: Some(unsent), .. }) => request = unsent,
                Err(Unanswered { error, .. }) => return Err(error),
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.ask(request).await.map_err(|unanswered| unanswered.error)?;
        self.read(connection, response, bytes_max).await
    }

    fn take_idle(&self) -> Option<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        idle.filter(|connection| !connection.sender.is_closed() && connection.used_at.elapsed() < IDLE_MAX)
    }

    async fn connect(&self) -> Result<Connection, HttpError> {
        let stream = timely(TcpStream::connect((self.endpoint.host(), self.endpoint.port()))).await?;
        // One request is one write and waits for its answer; there is nothing to gather.
        let _ = stream.set_nodelay(true);
        let Some(name) = self.endpoint.tls_name() else { return Connection::over(stream).await };
        let connector = TlsConnector::from(Arc::clone(self.tls.get_or_init(systems_trust)));
        Connection::over(timely(connector.connect(name.clone(), stream)).await?).await
    }

    async fn read(
        &self,
        mut connection: Connection,
        response: Response<Incoming>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = response.into_parts();
        let limit = if head.status.is_success() { bytes_max } else { REFUSAL_BYTES_MAX };
        match Limited::new(body, limit).collect().await {
            Ok(body) => {
                connection.used_at = Instant::now();
                *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
                Ok(Response::from_parts(head, body.to_bytes()))
            }
            Err(error) if !error.is::<LengthLimitError>() => Err(HttpError::Failed(error.to_string())),
            Err(_) if head.status.is_success() => Err(HttpError::TooLarge { bytes_max }),
            Err(_) => Ok(Response::from_parts(head, Bytes::new())),
        }
    }
}

impl Connection {
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, HttpError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let driver = tokio::spawn(connection).abort_handle();
        Ok(Self { sender, driver, used_at: Instant::now() })
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unanswered> {
        if let Err(error) = self.sender.ready().await {
            return Err(Unanswered { request: Some(request), error: failed(error) });
        }
        match timeout(ANSWER_TIMEOUT, self.sender.try_send_request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(mut error)) => Err(Unanswered { request: error.take_message(), error: failed(error.into_error()) }),
            Err(_) => {
                let reason = format!("there was no answer within {} s", ANSWER_TIMEOUT.as_secs());
                Err(Unanswered { request: None, error: HttpError::Failed(reason) })
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn failed(error: hyper::Error) -> HttpError {
    HttpError::Failed(error.to_string())
}

/// A step of connecting, within its time.
async fn timely<T>(step: impl Future<Output = std::io::Result<T>>) -> Result<T, HttpError> {
    match timeout(CONNECT_TIMEOUT, step).await {
        Ok(done) => done.map_err(|error| HttpError::Failed(error.to_string())),
        Err(_) => Err(HttpError::Failed("connecting took too long".to_owned())),
    }
}

/// Trusts what the system trusts. Reads files.
#[must_use]
pub fn systems_trust() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // One that cannot be read is left out; another may do.
        let _ = roots.add(certificate);
    }
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
