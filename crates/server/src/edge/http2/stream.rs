//! One stream of an HTTP/2 connection: a request becomes what the edge knows, the answer goes out as the client takes it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, request};
use http_body::{Body, Frame};

use super::body::Incoming;
use crate::edge::connection::HEADERS_MAX;
use crate::edge::{Backends, Edge, Peer};

/// What belongs to a connection of HTTP/1.1 and may not stand in HTTP/2 (RFC 9113, section 8.2.2).
const CONNECTION_HEADERS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The answer has been handed over.
    Answered,
    /// The client no longer wanted it.
    Reset,
    /// The client did not take it.
    Stalled,
}

/// Answers one request; `write` is how long the client may take for the next piece of the answer.
pub(super) async fn serve<B: Backends>(
    edge: Arc<Edge<B>>,
    peer: Peer,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    write: Duration,
) -> Ended {
    let (mut parts, stream) = request.into_parts();
    join_cookies(&mut parts.headers);
    if parts.headers.len() > HEADERS_MAX {
        return refuse(&mut respond, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    name_host(&mut parts);
    let is_head = parts.method == Method::HEAD;
    let body = Incoming::new(stream, &parts.headers);
    let response = {
        // In a box: only what is under way holds the room of a request.
        let mut answering = Box::pin(edge.answer(Request::from_parts(parts, body), &peer));
        poll_fn(|context| match answering.as_mut().poll(context) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => respond.poll_reset(context).map(|_| None),
        })
        .await
    };
    let Some(response) = response else { return Ended::Reset };
    answer(&mut respond, response, is_head, write).await.unwrap_or(Ended::Reset)
}

fn refuse(respond: &mut SendResponse<Bytes>, status: StatusCode) -> Ended {
    let mut response = Response::new(());
    *response.status_mut() = status;
    match respond.send_response(response, true) {
        Ok(_) => Ended::Answered,
        Err(_) => Ended::Reset,
    }
}

/// A request of HTTP/2 says in `:authority` what one of HTTP/1.1 says in `Host`; one that has both is compared by the edge.
fn name_host(parts: &mut request::Parts) {
    let Some(authority) = parts.uri.authority() else { return };
    if let (false, Ok(host)) = (parts.headers.contains_key(header::HOST), HeaderValue::from_str(authority.as_str())) {
        parts.headers.insert(header::HOST, host);
    }
}

/// Clients may send a field for each cookie, which is one header to everything else (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

async fn answer<T>(
    respond: &mut SendResponse<Bytes>,
    response: Response<T>,
    is_head: bool,
    write: Duration,
) -> Result<Ended, h2::Error>
where
    T: Body<Data = Bytes> + Unpin,
{
    let (mut parts, body) = response.into_parts();
    finish_head(&mut parts.headers, body.size_hint().exact());
    let is_whole = is_head || body.is_end_stream();
    let stream = respond.send_response(Response::from_parts(parts, ()), is_whole)?;
    if is_whole { Ok(Ended::Answered) } else { send(stream, body, write).await }
}

/// Takes out what HTTP/2 does not have, and adds what every answer has.
fn finish_head(headers: &mut HeaderMap, body_bytes: Option<u64>) {
    for name in CONNECTION_HEADERS {
        headers.remove(name);
    }
    if let Some(bytes) = body_bytes {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| bytes.into());
    }
    let now = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(now) = HeaderValue::from_str(&now) {
        headers.entry(header::DATE).or_insert(now);
    }
}

/// Sends a body, never more than the client has room for, so that nothing piles up for a client that does not read.
async fn send<T>(mut stream: SendStream<Bytes>, body: T, write: Duration) -> Result<Ended, h2::Error>
where
    T: Body<Data = Bytes> + Unpin,
{
    let mut body = pin!(body);
    loop {
        let frame = match next_frame(&mut stream, body.as_mut()).await {
            Next::Frame(frame) => frame,
            Next::End => {
                stream.send_data(Bytes::new(), true)?;
                return Ok(Ended::Answered);
            }
            Next::Broken => {
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Ok(Ended::Answered);
            }
            Next::Reset => return Ok(Ended::Reset),
        };
        match frame.into_data() {
            Ok(bytes) => {
                let is_last = body.is_end_stream();
                match send_piece(&mut stream, bytes, is_last, write).await? {
                    Ended::Answered if !is_last => {}
                    ended => return Ok(ended),
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    stream.send_trailers(trailers)?;
                    return Ok(Ended::Answered);
                }
            }
        }
    }
}

/// What a body has next.
enum Next {
    Frame(Frame<Bytes>),
    End,
    Broken,
    /// Nobody wants it any more.
    Reset,
}

async fn next_frame<T>(stream: &mut SendStream<Bytes>, mut body: Pin<&mut T>) -> Next
where
    T: Body<Data = Bytes>,
{
    poll_fn(|context| match body.as_mut().poll_frame(context) {
        Poll::Ready(Some(Ok(frame))) => Poll::Ready(Next::Frame(frame)),
        Poll::Ready(Some(Err(_))) => Poll::Ready(Next::Broken),
        Poll::Ready(None) => Poll::Ready(Next::End),
        Poll::Pending => stream.poll_reset(context).map(|_| Next::Reset),
    })
    .await
}

/// Hands a piece over, part by part as there is room.
async fn send_piece(
    stream: &mut SendStream<Bytes>,
    mut bytes: Bytes,
    is_last: bool,
    write: Duration,
) -> Result<Ended, h2::Error> {
    if bytes.is_empty() && is_last {
        stream.send_data(bytes, true)?;
        return Ok(Ended::Answered);
    }
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = poll_fn(|context| stream.poll_capacity(context));
        match tokio::time::timeout(write, room).await {
            Ok(Some(room)) => {
                let part = bytes.split_to(room?.min(bytes.len()));
                if !part.is_empty() {
                    stream.send_data(part, is_last && bytes.is_empty())?;
                }
            }
            Ok(None) => return Ok(Ended::Reset),
            Err(_) => {
                stream.send_reset(Reason::CANCEL);
                return Ok(Ended::Stalled);
            }
        }
    }
    Ok(Ended::Answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_the_host() {
        let named = |request: request::Builder| {
            let mut parts = request.body(()).unwrap().into_parts().0;
            name_host(&mut parts);
            parts.headers.get(header::HOST).cloned()
        };
        let request = || Request::builder().uri("http://a.localhost:4566/x");
        assert_eq!(named(request()).unwrap(), "a.localhost:4566");
        assert_eq!(named(request().header("host", "b")).unwrap(), "b", "the edge compares them");
        assert_eq!(named(Request::builder().uri("/x")), None);
    }

    #[test]
    fn cookies_are_one_header() {
        let joined = |cookies: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(header::COOKIE, HeaderValue::from_static(cookie));
            }
            join_cookies(&mut headers);
            headers.get_all(header::COOKIE).iter().map(|cookie| cookie.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(joined(&["a=1", "b=2; c=3", "d=4"]), ["a=1; b=2; c=3; d=4"]);
        assert_eq!(joined(&["a=1"]), ["a=1"]);
        assert_eq!(joined(&[]), [""; 0]);
    }

    #[test]
    fn heads_of_answers_are_those_of_http2() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.insert("x-kept", HeaderValue::from_static("1"));
        finish_head(&mut headers, Some(7));
        assert_eq!(headers[header::CONTENT_LENGTH], "7");
        assert!(headers[header::DATE].to_str().unwrap().ends_with(" GMT"));
        assert_eq!(headers.len(), 3, "{headers:?}");
    }
}
