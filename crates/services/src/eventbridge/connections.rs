//! Connections: how API destinations say who they are.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;
use tindra_store::{Batch, Versioned};
use uuid::Uuid;

use super::EventBridgeService;
use super::change::Beside;
use super::error::EventsError;
use super::names::Kind;
use super::page::PageRequest;
use super::secrets::{AuthParameters, Connection};
use crate::instant::to_seconds;
use tindra_store::following::all;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    name: String,
    description: Option<String>,
    authorization_type: Option<String>,
    auth_parameters: Option<AuthParameters>,
    /// What would do nothing here.
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedRequest {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    name_prefix: Option<String>,
    connection_state: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl PutRequest {
    fn check(&self) -> Result<(), EventsError> {
        let other = self.others.keys().next();
        other.map_or(Ok(()), |other| Err(EventsError::unsupported(&format!("{other} of connections"))))
    }
}

impl EventBridgeService {
    pub(super) async fn create_connection(&self, scope: &Scope, request: PutRequest) -> Result<Value, EventsError> {
        request.check()?;
        let now_ms = self.now_ms();
        let sort = request.authorization_type.unwrap_or_default();
        let connection = Connection {
            id: Uuid::new_v4(),
            name: request.name.clone(),
            description: request.description,
            parameters: Some(request.auth_parameters.unwrap_or_default().checked(&sort)?),
            sort,
            created_ms: now_ms,
            modified_ms: now_ms,
            authorized_ms: Some(now_ms),
        };
        let key = Kind::Connection.key(scope, &request.name);
        self.create(key, &connection, Beside::default(), || Kind::Connection.exists(&request.name)).await?;
        Ok(changed(scope, &connection))
    }

    pub(super) async fn update_connection(&self, scope: &Scope, request: PutRequest) -> Result<Value, EventsError> {
        request.check()?;
        let now_ms = self.now_ms();
        let edited = self.change(Kind::Connection, scope, &request.name, |connection: &mut Connection| {
            if request.description.is_some() {
                connection.description.clone_from(&request.description);
            }
            if let Some(sort) = &request.authorization_type {
                connection.sort.clone_from(sort);
            }
            let given = request.auth_parameters.as_ref();
            let before = connection.parameters.clone();
            let parameters = match (before, given) {
                (Some(before), Some(given)) => Some(before.updated(given)),
                (None, given) => given.cloned(),
                (before, None) => before,
            };
            let sort = &connection.sort;
            connection.parameters = parameters.map(|parameters| parameters.only_for(sort).checked(sort)).transpose()?;
            connection.modified_ms = now_ms;
            connection.authorized_ms = connection.parameters.is_some().then_some(now_ms);
            Ok(connection.clone())
        });
        Ok(changed(scope, &edited.await?))
    }

    pub(super) async fn deauthorize_connection(
        &self,
        scope: &Scope,
        request: NamedRequest,
    ) -> Result<Value, EventsError> {
        let now_ms = self.now_ms();
        let edited = self.change(Kind::Connection, scope, &request.name, |connection: &mut Connection| {
            connection.parameters = None;
            connection.authorized_ms = None;
            connection.modified_ms = now_ms;
            Ok(connection.clone())
        });
        Ok(changed(scope, &edited.await?))
    }

    pub(super) async fn delete_connection(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        loop {
            let connection: Versioned<Connection> = self.named(Kind::Connection, scope, &request.name).await?;
            if self.remove(&connection.key, connection.revision, Batch::default()).await? {
                let mut shown = changed(scope, &connection.value);
                shown["ConnectionState"] = "DELETING".into();
                return Ok(shown);
            }
        }
    }

    pub(super) async fn describe_connection(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        let connection: Versioned<Connection> = self.named(Kind::Connection, scope, &request.name).await?;
        let connection = connection.value;
        let Scope { account, region } = scope;
        let mut shown = listed(scope, &connection);
        let (name, id) = (&connection.name, connection.id);
        shown["SecretArn"] =
            format!("arn:aws:secretsmanager:{region}:{account}:secret:events!connection/{name}/{id}").into();
        if let Some(description) = &connection.description {
            shown["Description"] = description.as_str().into();
        }
        if let Some(parameters) = &connection.parameters {
            shown["AuthParameters"] = json!(parameters.shown());
        }
        Ok(shown)
    }

    pub(super) async fn list_connections(&self, scope: &Scope, request: ListRequest) -> Result<Value, EventsError> {
        let prefix = request.name_prefix.unwrap_or_default();
        let connections = all::<Connection>(&self.around.store, &Kind::Connection.prefix(scope)).await?.into_iter();
        let connections = connections.map(|connection| connection.value).filter(|connection| {
            connection.name.starts_with(&prefix)
                && request.connection_state.as_ref().is_none_or(|state| state == connection.state())
        });
        let shown = connections.map(|connection| (connection.name.clone(), listed(scope, &connection)));
        request.page.cut("Connections", shown)
    }
}

/// What every change answers.
fn changed(scope: &Scope, connection: &Connection) -> Value {
    let mut shown = json!({
        "ConnectionArn": connection.arn(scope), "ConnectionState": connection.state(),
        "CreationTime": to_seconds(connection.created_ms), "LastModifiedTime": to_seconds(connection.modified_ms),
    });
    if let Some(authorized_ms) = connection.authorized_ms {
        shown["LastAuthorizedTime"] = to_seconds(authorized_ms).into();
    }
    shown
}

fn listed(scope: &Scope, connection: &Connection) -> Value {
    let mut shown = changed(scope, connection);
    shown["Name"] = connection.name.as_str().into();
    shown["AuthorizationType"] = connection.sort.as_str().into();
    shown
}
