//! What needs no signature about topics: the links in their messages, the certificate of their key, and the messages that an
//! SNS elsewhere sends.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body;
use http_body_util::Full;
use tindra_model::Operation;
use tindra_services::sns::{Ingress, IngressError, SnsService};

use super::refusal::Refusal;
use super::route::{Door, MESSAGE_BODY_BYTES_MAX, Served, TopicPage};
use super::{Backends, Edge, Neighbour, Outgoing, Peer, body, local};

impl<B: Backends> Edge<B> {
    pub(super) async fn topics<T>(
        &self,
        page: TopicPage<'_>,
        parts: &Parts,
        body: T,
        peer: &Peer,
    ) -> Result<Response<Outgoing>, Refusal>
    where
        T: Body<Data = Bytes> + Unpin,
    {
        let is_on = !self.options.disabled_services.contains("sns");
        let topics = self.backends.topics().filter(|_| is_on).ok_or(Refusal::NoSuchPage)?;
        match page {
            TopicPage::Link(operation) => follow(topics, operation, parts).await,
            TopicPage::Certificate(path) => match topics.certificate(path).await {
                Ok(Some(pem)) => Ok(local::answer("application/x-pem-file", pem).map(Outgoing::from)),
                Ok(None) => Ok(status(StatusCode::NOT_FOUND, "there is no such certificate")),
                Err(error) => Err(Refusal::Failed(error.message().to_owned())),
            },
            TopicPage::Ingress(path) => {
                // Only who reaches the operator's address is elsewhere.
                let is_outside = matches!(peer, Peer::Operator { .. });
                let ingress = self.entrances.ingresses.iter().find(|ingress| is_outside && is_at(ingress, path));
                let ingress = ingress.ok_or(Refusal::NoSuchPage)?;
                let received = body::read(body, MESSAGE_BODY_BYTES_MAX, &self.budget).await;
                let received =
                    received.map_err(|_| Refusal::Malformed("the message did not come whole, or is too large"))?;
                Ok(taken(topics.take_from_elsewhere(ingress, &received.bytes).await))
            }
        }
    }
}

async fn follow(
    topics: &SnsService,
    operation: &'static Operation,
    parts: &Parts,
) -> Result<Response<Outgoing>, Refusal> {
    let served = Served { door: Door::Neighbour(Neighbour::Sns), service: tindra_model::sns(), operation };
    let refuse = |error| served.refuse(error);
    let call = served.decode(parts, &Bytes::new()).map_err(refuse)?;
    let reply = topics.follow_link(call).await.map_err(refuse)?;
    Ok(served.encode(reply, &uuid::Uuid::new_v4().to_string()).map(Outgoing::from))
}

/// Whether a path, `ACCOUNT/REGION/NAME`, is that of the topic.
fn is_at(ingress: &Ingress, path: &str) -> bool {
    let mut asked = path.split('/');
    let asked = (asked.next(), asked.next(), asked.next(), asked.next());
    let fields: Vec<&str> = ingress.topic.split(':').collect();
    match fields[..] {
        [_, _, _, region, account, name] => asked == (Some(account), Some(region), Some(name), None),
        _ => false,
    }
}

fn taken(outcome: Result<(), IngressError>) -> Response<Outgoing> {
    match outcome {
        Ok(()) => status(StatusCode::OK, ""),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a message from elsewhere was not taken");
            let code = match &error {
                IngressError::Malformed(_) => StatusCode::BAD_REQUEST,
                IngressError::Refused(_) => StatusCode::FORBIDDEN,
                IngressError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            status(code, &error.to_string())
        }
    }
}

fn status(code: StatusCode, text: &str) -> Response<Outgoing> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.map(Outgoing::from)
}
