//! `@connections`: posting to a connection, showing it, ending it (`apigatewaymanagementapi`).

use std::sync::Arc;

use serde_json::json;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::{ApiError, Call, Reply, percent_decode};

use super::connections::{Connection, Unsent};
use crate::apigateway::HttpApis;
use crate::apigateway::find::{Entry, Found};
use crate::apigateway::shown::{members, time};

/// What leads to a connection within a stage, or, because no two have the same id, within the server.
const CONNECTIONS: &str = "/@connections/";

/// A connection that somebody asks for.
#[derive(Clone, Debug)]
pub struct Managed {
    /// As the request names it, without what leads to the stage: `/@connections/ID`.
    pub path: String,
    /// The id.
    id: String,
    /// API, stage and whose they are; none when only the id is given.
    of: Option<(String, String, Scope)>,
}

impl Found {
    /// Whether it is a WebSocket API.
    #[must_use]
    pub fn is_web_socket(&self) -> bool {
        self.api.as_ref().is_some_and(|api| api.selection.is_some())
    }

    /// The connection that a path asks for; none for a path that leads elsewhere.
    #[must_use]
    pub fn managed(&self, path: &str) -> Option<Managed> {
        let api = self.api.as_ref()?;
        let path = match self.entry {
            Entry::Path(prefix_bytes) => path.get(prefix_bytes..)?,
            _ => path,
        };
        let (stage, path) = self.stage(api, path)?;
        let id = id_of(path)?;
        Some(Managed { path: path.to_owned(), id, of: Some((api.id.clone(), stage.name.clone(), api.scope.clone())) })
    }
}

impl Managed {
    /// The connection that a path asks for by its id alone, perhaps after the name of a stage.
    #[must_use]
    pub fn by_id(path: &str) -> Option<Self> {
        let begin = path.find(CONNECTIONS).filter(|begin| !path[1.min(*begin)..*begin].contains('/'))?;
        let path = &path[begin..];
        Some(Self { path: path.to_owned(), id: id_of(path)?, of: None })
    }
}

fn id_of(path: &str) -> Option<String> {
    let id = path.strip_prefix(CONNECTIONS)?;
    (!id.is_empty() && !id.contains('/')).then(|| percent_decode(id).into_owned())
}

impl HttpApis {
    /// Whose connection it is, and what policies call it: `API/STAGE/METHOD/@connections/ID`; none for one that is not
    /// there and for which no API was named.
    #[must_use]
    pub fn resource_of(&self, managed: &Managed, method: &str) -> Option<(Scope, String)> {
        let known = self.connections.get(&managed.id);
        let known = known.map(|known| (known.about.api.clone(), known.about.stage.clone(), known.about.scope.clone()));
        let (api, stage, scope) = managed.of.clone().or(known)?;
        let Scope { account, region } = &scope;
        let arn = format!("arn:aws:execute-api:{region}:{account}:{api}/{stage}/{method}{CONNECTIONS}{}", managed.id);
        Some((scope, arn))
    }

    /// Answers an operation on a connection.
    ///
    /// # Errors
    /// `GoneException` for one that is not there (any more), `LimitExceededException` when too much waits for its client,
    /// `PayloadTooLargeException`.
    pub fn manage(&self, managed: &Managed, call: Call) -> Result<Reply, ApiError> {
        let connection = self.managed_connection(managed).ok_or_else(gone)?;
        match call.operation.name() {
            "PostToConnection" => {
                let message = call.payload.unwrap_or_default();
                if message.len() > limits::WEBSOCKET_MESSAGE_BYTES_MAX {
                    return Err(payload_too_large());
                }
                connection.post(message).map_err(unsent)?;
                Ok(Reply::new(json!({})))
            }
            "DeleteConnection" => {
                connection.close().map_err(unsent)?;
                // From now on nobody else finds it.
                self.connections.remove(&connection.about.id);
                Ok(Reply::new(json!({})))
            }
            _ => Ok(Reply::new(json!({
                "ConnectedAt": time(connection.about.connected_ms),
                "Identity": members(json!({
                    "SourceIp": connection.about.source_ip,
                    "UserAgent": connection.about.user_agent.clone().unwrap_or_default(),
                })),
                "LastActiveAt": time(connection.active_ms()),
            }))),
        }
    }

    fn managed_connection(&self, managed: &Managed) -> Option<Arc<Connection>> {
        let found = self.connections.get(&managed.id)?;
        let is_of = |(api, stage, _): &(String, String, Scope)| *api == found.about.api && *stage == found.about.stage;
        managed.of.as_ref().is_none_or(is_of).then_some(found)
    }
}

/// The message is larger than any may be.
#[must_use]
pub fn payload_too_large() -> ApiError {
    ApiError::new(
        "PayloadTooLargeException",
        format!("Messages have at most {} bytes.", limits::WEBSOCKET_MESSAGE_BYTES_MAX),
    )
}

fn gone() -> ApiError {
    ApiError::new("GoneException", "The connection with the provided id no longer exists.")
}

fn unsent(why: Unsent) -> ApiError {
    match why {
        Unsent::Gone => gone(),
        Unsent::Full => ApiError::new(
            "LimitExceededException",
            "The client does not take what waits for it already; try again later.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_known_by_its_id_alone() {
        let by_id = |path| Managed::by_id(path).map(|managed| (managed.path, managed.id));
        let found = Some(("/@connections/abc%3D".to_owned(), "abc=".to_owned()));
        assert_eq!(by_id("/@connections/abc%3D"), found);
        assert_eq!(by_id("/dev/@connections/abc%3D"), found);
        for path in ["/", "/@connections/", "/@connections", "/a/b/@connections/x", "/@connections/x/y"] {
            assert_eq!(by_id(path), None, "{path}");
        }
    }
}
