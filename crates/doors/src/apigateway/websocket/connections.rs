//! The connections of this server by their ids, and what waits to be sent to each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tindra_core::door::{Authorizer, WebsocketCall};
use tindra_core::function::Scope;
use tindra_core::limits;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use uuid::Uuid;

/// Random bytes of a connection's id, as many as the ids of AWS hold.
const ID_BYTES: usize = 11;
const OPEN: &str = "tindra_websocket_connections";

/// All of them.
#[derive(Debug, Default)]
pub struct Connections {
    open: RwLock<HashMap<String, Arc<Connection>>>,
}

/// A connection to a stage of an API.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) about: About,
    began_at: Instant,
    /// Milliseconds after it began.
    active_after_ms: AtomicU64,
    sender: UnboundedSender<Sending>,
    waiting_bytes: AtomicUsize,
}

/// What does not change of a connection.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) id: String,
    pub(super) scope: Scope,
    pub(super) api: String,
    pub(super) stage: String,
    pub(super) connected_ms: UnixMs,
    /// That the client named.
    pub(super) domain_name: String,
    pub(super) source_ip: String,
    pub(super) user_agent: Option<String>,
    pub(super) authorizer: Option<Authorizer>,
}

/// What is to be sent to a client.
#[derive(Debug)]
pub(super) enum Sending {
    /// A message: as text where it is text.
    Message(Bytes),
    /// The end, after everything before it.
    Close,
}

/// Why nothing can be sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// It is not connected any more.
    Gone,
    /// Too much waits for it already.
    Full,
}

/// A new id, as AWS makes them.
pub(super) fn new_id() -> String {
    URL_SAFE.encode(&Uuid::new_v4().into_bytes()[..ID_BYTES])
}

impl Connections {
    /// Makes a connection known, with what gives what is to be sent to it; none when there are too many already.
    pub(super) fn open(&self, about: About) -> Option<(Arc<Connection>, UnboundedReceiver<Sending>)> {
        let (sender, receiver) = unbounded_channel();
        let id = about.id.clone();
        let connection = Arc::new(Connection {
            about,
            began_at: Instant::now(),
            active_after_ms: AtomicU64::new(0),
            sender,
            waiting_bytes: AtomicUsize::new(0),
        });
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= limits::WEBSOCKET_CONNECTIONS_MAX {
            return None;
        }
        open.insert(id, Arc::clone(&connection));
        metrics::gauge!(OPEN).increment(1);
        Some((connection, receiver))
    }

    /// Whether there is still room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).len() < limits::WEBSOCKET_CONNECTIONS_MAX
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Connection>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        if self.open.write().unwrap_or_else(PoisonError::into_inner).remove(id).is_some() {
            metrics::gauge!(OPEN).decrement(1);
        }
    }
}

impl Connection {
    /// Leaves a message for the client.
    pub(super) fn post(&self, message: Bytes) -> Result<(), Unsent> {
        let bytes = cost(&message);
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > limits::WEBSOCKET_WAITING_BYTES_MAX {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Unsent::Full);
        }
        self.sender.send(Sending::Message(message)).map_err(|_| Unsent::Gone)
    }

    /// Ends the connection once the client has what waits for it.
    pub(super) fn close(&self) -> Result<(), Unsent> {
        self.sender.send(Sending::Close).map_err(|_| Unsent::Gone)
    }

    /// A message that waited is out.
    pub(super) fn note_sent(&self, message: &Bytes) {
        self.waiting_bytes.fetch_sub(cost(message), Ordering::Relaxed);
        self.note_active();
    }

    /// Something was said by either side.
    pub(super) fn note_active(&self) {
        let after_ms = u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.active_after_ms.store(after_ms, Ordering::Relaxed);
    }

    pub(super) fn active_ms(&self) -> UnixMs {
        self.about.connected_ms + self.active_after_ms.load(Ordering::Relaxed)
    }

    /// When it has been silent or there for too long, as far as that is known now.
    pub(super) fn ends_at(&self) -> Instant {
        let active_at = self.began_at + Duration::from_millis(self.active_after_ms.load(Ordering::Relaxed));
        (active_at + limits::WEBSOCKET_IDLE_MAX).min(self.began_at + limits::WEBSOCKET_CONNECTION_MAX)
    }
}

fn cost(message: &Bytes) -> usize {
    message.len() + limits::WEBSOCKET_WAITING_OVERHEAD_BYTES
}

impl About {
    /// As events show it.
    pub(super) fn call<'a>(
        &'a self,
        route_key: &'a str,
        stage_variables: &'a [(String, String)],
        request_id: &'a str,
        time_ms: UnixMs,
    ) -> WebsocketCall<'a> {
        WebsocketCall {
            api_id: &self.api,
            stage: &self.stage,
            stage_variables,
            route_key,
            connection_id: &self.id,
            connected_at_ms: self.connected_ms,
            domain_name: &self.domain_name,
            source_ip: &self.source_ip,
            user_agent: self.user_agent.as_deref(),
            authorizer: self.authorizer.as_ref(),
            request_id,
            time_ms,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn about(id: &str) -> About {
        About {
            id: id.to_owned(),
            scope: Scope { account: "000000000000".to_owned(), region: "us-east-1".to_owned() },
            api: "abcdefghij".to_owned(),
            stage: "dev".to_owned(),
            connected_ms: 1_000,
            domain_name: "abcdefghij.execute-api.us-east-1.localhost".to_owned(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: None,
            authorizer: None,
        }
    }

    #[test]
    fn ids_are_sixteen_characters_and_differ() {
        let (one, other) = (new_id(), new_id());
        assert!(one.len() == 16 && one.ends_with('=') && one != other, "{one} {other}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_bounded_and_comes_in_order() {
        let connections = Connections::default();
        let (connection, mut waiting) = connections.open(about("a")).unwrap();
        let message = Bytes::from(vec![0; limits::WEBSOCKET_MESSAGE_BYTES_MAX]);
        let taken = std::iter::repeat_with(|| connection.post(message.clone())).take_while(Result::is_ok).count();
        assert_eq!(taken, 3);
        assert_eq!(connection.post(message.clone()), Err(Unsent::Full));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(matches!(waiting.recv().await, Some(Sending::Message(_))));
        connection.note_sent(&message);
        assert_eq!(connection.active_ms(), 4_000);
        assert_eq!(connection.post(message), Ok(()));
        connections.remove("a");
        assert!(connections.get("a").is_none());
        drop(waiting);
        assert_eq!((connection.post(Bytes::new()), connection.close()), (Err(Unsent::Gone), Err(Unsent::Gone)));
    }
}
