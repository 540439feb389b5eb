//! Requests to URLs that users name: with bounds on time and size, and only to where functions may connect to.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http::systems_trust;

/// Port: which addresses may be connected to on behalf of a user. The server joins it to the rules for functions, so that
/// a URL is no way around them.
pub trait Reach: Send + Sync + Debug {
    /// # Errors
    /// Why not.
    fn check(&self, address: IpAddr) -> Result<(), String>;
}

/// Bounds of a request.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// For the answer, with everything before it.
    pub timeout: Duration,
    /// The largest body of an answer.
    pub bytes_max: usize,
}

/// Sends a request to the `http` or `https` URL in it, and returns the answer whatever its status.
///
/// # Errors
/// What went wrong before there was a whole answer, for people.
pub async fn fetch(request: Request<Bytes>, bounds: Bounds, reach: &dyn Reach) -> Result<Response<Bytes>, String> {
    let fetched = tokio::time::timeout(bounds.timeout, send(request, bounds.bytes_max, reach)).await;
    fetched.unwrap_or_else(|_| Err(format!("there was no answer within {} ms", bounds.timeout.as_millis())))
}

async fn send(request: Request<Bytes>, bytes_max: usize, reach: &dyn Reach) -> Result<Response<Bytes>, String> {
    let uri = request.uri().clone();
    let host = uri.host().ok_or("it names no host")?;
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("it is neither https nor http".to_owned()),
    };
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = connect(host.trim_matches(['[', ']']), port, reach).await?;
    if !is_tls {
        return ask(stream, request, bytes_max).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(systems_trust());
    ask(connector.connect(name, stream).await.map_err(|error| error.to_string())?, request, bytes_max).await
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

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Bytes>,
    bytes_max: usize,
) -> Result<Response<Bytes>, String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let driver = tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    // What stands before the host is for the other side to ask for.
    let host = authority.rsplit('@').next().unwrap_or_default();
    head.headers.insert(header::HOST, HeaderValue::from_str(host).map_err(|error| error.to_string())?);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = Uri::builder().path_and_query(path).build().map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(Request::from_parts(head, Full::new(body))).await.map_err(text)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, bytes_max).collect().await;
        body.map(|body| Response::from_parts(head, body.to_bytes())).map_err(|error| error.to_string())
    };
    let answer = answer.await;
    driver.abort();
    answer
}
