//! Fetching the documents of an issuer: one GET, with bounds on time and size, and only from where functions may connect to.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::outside::http::systems_trust;

/// For the answer, with everything before it (AWS).
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// The largest document (AWS).
const BYTES_MAX: usize = 150_000;

/// Port: which addresses may be connected to on behalf of the owner of an API. The server joins it to the rules for
/// functions, so that an issuer is no way around them.
pub trait Reach: Send + Sync + Debug {
    /// # Errors
    /// Why not.
    fn check(&self, address: IpAddr) -> Result<(), String>;
}

/// The document behind a URL.
///
/// # Errors
/// What went wrong, for the operator.
pub(super) async fn document(url: &str, reach: &dyn Reach) -> Result<Bytes, String> {
    let fetched = tokio::time::timeout(TIMEOUT, get(url, reach)).await;
    fetched.unwrap_or_else(|_| Err(format!("there was no answer within {} ms", TIMEOUT.as_millis())))
}

async fn get(url: &str, reach: &dyn Reach) -> Result<Bytes, String> {
    let uri: Uri = url.parse().map_err(|error| format!("it is no URL: {error}"))?;
    let host = uri.host().ok_or("it names no host")?;
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("it is neither https nor http".to_owned()),
    };
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = connect(host.trim_matches(['[', ']']), port, reach).await?;
    if !is_tls {
        return ask(stream, &uri).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(systems_trust());
    ask(connector.connect(name, stream).await.map_err(|error| error.to_string())?, &uri).await
}

/// Connects to the first address of a host that may be connected to.
async fn connect(host: &str, port: u16, reach: &dyn Reach) -> Result<TcpStream, String> {
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(|error| error.to_string())?;
    let mut problem = "the name has no address".to_owned();
    for address in addresses {
        match reach.check(address.ip()) {
            Err(why) => problem = format!("{} may not be connected to: {why}", address.ip()),
            Ok(()) => match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => problem = error.to_string(),
            },
        }
    }
    Err(problem)
}

async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, uri: &Uri) -> Result<Bytes, String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let driver = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let request = Request::get(path).header(header::HOST, authority).header(header::ACCEPT, "application/json");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(text)?;
        if !response.status().is_success() {
            return Err(format!("it answered {}", response.status()));
        }
        let body = Limited::new(response.into_body(), BYTES_MAX).collect().await;
        body.map(|body| body.to_bytes()).map_err(|error| error.to_string())
    };
    let answer = answer.await;
    driver.abort();
    answer
}
