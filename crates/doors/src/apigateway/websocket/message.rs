//! A message from a client: its route, its function, and what goes back; and the end of a connection.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tindra_core::door::{WebsocketEvent, answer_1, websocket_event};
use tindra_invoke::fresh_trace_id;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use uuid::Uuid;

use super::connections::{Connection, new_id};
use super::handshake::{Connected, OnRoute};
use super::rules::DISCONNECT;
use super::session::{self, End};
use crate::apigateway::HttpApis;
use crate::apigateway::refusal::Refusal;

const MESSAGES: &str = "tindra_websocket_messages_total";

impl HttpApis {
    /// Serves a connection until it ends, and tells the function of `$disconnect`. `stop` ends it with 1001.
    pub async fn converse<S>(&self, connected: Connected, stream: S, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Connected { connection, waiting } = connected;
        let on_message = |body, place| {
            let (apis, connection) = (self.clone(), Arc::clone(&connection));
            // A message that has come is worked on also when the connection ends; the place bounds how many are.
            tokio::spawn(async move {
                apis.take_message(&connection, body).await;
                drop(place);
            });
        };
        let end = session::run(stream, &connection, waiting, stop, on_message).await;
        self.part_from(&connection, &end).await;
    }

    /// Forgets a connection whose client has not taken the answer to its request.
    pub async fn abandon(&self, connected: Connected) {
        self.part_from(&connected.connection, &End::abnormal()).await;
    }

    async fn part_from(&self, connection: &Arc<Connection>, end: &End) {
        self.connections.remove(&connection.about.id);
        self.tell_end(connection, end).await;
    }

    async fn take_message(&self, connection: &Connection, body: Bytes) {
        let request_id = Uuid::new_v4().to_string();
        let outcome = self.answer_message(connection, &body, &request_id).await;
        let status = match &outcome {
            Ok(_) => "ok",
            Err(_) => "refused",
        };
        metrics::counter!(MESSAGES, "api" => connection.about.api.clone(), "outcome" => status).increment(1);
        let answer = match outcome {
            Ok(None) => return,
            Ok(Some(answer)) => answer,
            Err(message) => {
                let error = json!({ "message": message, "connectionId": connection.about.id, "requestId": request_id });
                error.to_string().into()
            }
        };
        if let Err(why) = connection.post(answer) {
            tracing::debug!(connection = connection.about.id, ?why, "an answer could not be sent");
        }
    }

    /// What goes back to the client; an error is in API Gateway's words.
    async fn answer_message(
        &self,
        connection: &Connection,
        body: &Bytes,
        request_id: &str,
    ) -> Result<Option<Bytes>, &'static str> {
        const FAILED: &str = "Internal server error";
        let about = &connection.about;
        let api = self.table.api(&about.api).await.map_err(|_| FAILED)?;
        let Some((api, stage)) = api.as_ref().and_then(|api| Some((api, api.stages.get(&about.stage)?))) else {
            // Neither is there any more, so nothing can ever be said here again.
            let _ = connection.close();
            return Ok(None);
        };
        let keys: Vec<&str> = stage.message_routes.keys().map(String::as_str).collect();
        let key = api.selection.as_ref().and_then(|selection| selection.select(body, &keys)).ok_or("Forbidden")?;
        let route = stage.message_routes.get(key).ok_or("Forbidden")?;
        if route.throttle.as_ref().is_some_and(|throttle| !throttle.take(self.clock.monotonic())) {
            return Err("Too Many Requests");
        }
        let integration = route.integration.as_ref().ok_or(FAILED)?;
        let now_ms = self.clock.unix_ms();
        let (message_id, trace_id) = (new_id(), fresh_trace_id(now_ms));
        let call = about.call(key, &stage.variables, request_id, now_ms);
        let payload = websocket_event(&call, &WebsocketEvent::Message { message_id: &message_id, body });
        let output = self.run_on_route(OnRoute { api, stage, integration, key }, payload, request_id, &trace_id).await;
        let output = output.map_err(|refusal| match refusal {
            Refusal::Unavailable => "Endpoint request timed out",
            _ => FAILED,
        })?;
        if !route.is_two_way {
            return Ok(None);
        }
        let answer = answer_1(&output).map_err(|malformed| {
            tracing::info!(api = api.id, route = key, why = malformed.why, "a two-way route's answer is none");
            FAILED
        })?;
        Ok((!answer.body.is_empty()).then(|| answer.body.into()))
    }

    /// Runs the function of `$disconnect`, as well as that goes.
    async fn tell_end(&self, connection: &Connection, end: &End) {
        let about = &connection.about;
        let Ok(Some(api)) = self.table.api(&about.api).await else { return };
        let Some(stage) = api.stages.get(&about.stage) else { return };
        let route = stage.message_routes.get(DISCONNECT);
        let Some(integration) = route.and_then(|route| route.integration.as_ref()) else { return };
        let (now_ms, request_id) = (self.clock.unix_ms(), Uuid::new_v4().to_string());
        let call = about.call(DISCONNECT, &stage.variables, &request_id, now_ms);
        let payload =
            websocket_event(&call, &WebsocketEvent::Disconnect { status_code: end.code, reason: &end.reason });
        let on = OnRoute { api: &api, stage, integration, key: DISCONNECT };
        if let Err(refusal) = self.run_on_route(on, payload, &request_id, &fresh_trace_id(now_ms)).await {
            tracing::info!(api = api.id, connection = about.id, ?refusal, "the function of $disconnect failed");
        }
    }
}
