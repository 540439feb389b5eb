//! From a request for a connection to the connection: the request itself, the stage, the authorizer, and what the function
//! of `$connect` says.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tindra_core::door::{
    Arrival, Authorizer, AuthorizerAnswer, HttpAnswer, HttpRequest, IdentityFacts, IdentitySource, Judgement,
    WebsocketEvent, answer_1, execute_api_arn, websocket_authorizer_event, websocket_event,
};
use tindra_core::policy::Context;
use tindra_invoke::fresh_trace_id;
use tokio::sync::mpsc::UnboundedReceiver;

use super::connections::{About, Connection, Sending, new_id};
use super::key;
use super::rules::CONNECT;
use crate::apigateway::HttpApis;
use crate::apigateway::find::Found;
use crate::apigateway::function_uri::FunctionTarget;
use crate::apigateway::lambda::Errand;
use crate::apigateway::records::{AuthorizerKind, Integration};
use crate::apigateway::refusal::Refusal;
use crate::apigateway::serving::{ServedAuthorizer, ServedStage, Serving};
use crate::front_door::{DoorBody, DoorRequest, DoorResponse, respond};

/// For the answer of an authorizer (AWS).
const AUTHORIZER_TIMEOUT: Duration = Duration::from_secs(10);
/// The only header of the function's answer that a client gets (AWS).
const PROTOCOL: &str = "sec-websocket-protocol";

/// What a request for a connection comes to.
#[derive(Debug)]
pub enum Handshake {
    /// Nothing.
    Refused(DoorResponse),
    /// A connection, once the client has this answer.
    Accepted(DoorResponse, Connected),
}

/// A connection that has been let in.
#[derive(Debug)]
pub struct Connected {
    pub(super) connection: std::sync::Arc<Connection>,
    pub(super) waiting: UnboundedReceiver<Sending>,
}

/// Why a connection is refused.
#[derive(Debug)]
enum Refused {
    /// In API Gateway's words.
    Gateway(u16, &'static str),
    /// In the function's.
    Function(HttpAnswer),
    /// The request is none for a WebSocket.
    NoWebSocket(&'static str),
}

/// A request for a connection to a stage.
#[derive(Clone, Copy, Debug)]
struct Asking<'a> {
    api: &'a Serving,
    stage: &'a ServedStage,
    request: &'a HttpRequest<'a>,
    arrival: &'a Arrival<'a>,
    about: &'a About,
}

impl HttpApis {
    /// Answers a request for a connection to a WebSocket API that [`HttpApis::find`] found.
    pub async fn shake_hands(&self, found: &Found, mut request: DoorRequest) -> Handshake {
        let id = new_id();
        match self.admit(found, &mut request, &id).await {
            Ok((answer, connected)) => Handshake::Accepted(answer, connected),
            Err(Refused::Gateway(status, message)) => Handshake::Refused(refusal(status, message, &id, &request)),
            Err(Refused::Function(answer)) => Handshake::Refused(respond(answer)),
            Err(Refused::NoWebSocket(message)) => Handshake::Refused(no_websocket(message)),
        }
    }

    async fn admit(
        &self,
        found: &Found,
        request: &mut DoorRequest,
        id: &str,
    ) -> Result<(DoorResponse, Connected), Refused> {
        let forbidden = Refused::Gateway(403, "Forbidden");
        let Some(api) = &found.api else { return Err(forbidden) };
        found.enter(api, request);
        let seen = request.seen(self.clock.unix_ms());
        let Some((stage, _)) = found.stage(api, seen.path).filter(|(_, path)| *path == "/" && !found.is_disabled(api))
        else {
            return Err(forbidden);
        };
        let accept = check_upgrade(&request.parts)?;
        if !self.connections.has_room() {
            return Err(Refused::Gateway(429, "Too Many Requests"));
        }
        let trace_id = fresh_trace_id(seen.time_ms);
        let arrival = Arrival { port: request.port, tls: request.is_tls, trace_id: &trace_id };
        let mut about = About {
            id: id.to_owned(),
            scope: api.scope.clone(),
            api: api.id.clone(),
            stage: stage.name.clone(),
            connected_ms: seen.time_ms,
            domain_name: request.host.clone(),
            source_ip: request.source_ip.clone(),
            user_agent: seen.user_agent().map(str::to_owned),
            authorizer: None,
        };
        let (request, arrival) = (&seen, &arrival);
        about.authorizer = self.authorize_connection(Asking { api, stage, request, arrival, about: &about }).await?;
        let protocol = self.ask_to_connect(Asking { api, stage, request, arrival, about: &about }).await?;
        let (connection, waiting) = self.connections.open(about).ok_or(Refused::Gateway(429, "Too Many Requests"))?;
        Ok((switching(&accept, protocol), Connected { connection, waiting }))
    }

    /// Who connects; none where nobody asks.
    async fn authorize_connection(&self, asking: Asking<'_>) -> Result<Option<Authorizer>, Refused> {
        let Some(route) = asking.stage.message_routes.get(CONNECT) else { return Ok(None) };
        if route.throttle.as_ref().is_some_and(|throttle| !throttle.take(self.clock.monotonic())) {
            return Err(Refused::Gateway(429, "Too Many Requests"));
        }
        let Some(authorizer) = &route.authorizer else { return Ok(None) };
        if identity(asking, &authorizer.sources).is_none() {
            return Err(Refused::Gateway(401, "Unauthorized"));
        }
        let answer = self.ask_authorizer(asking, authorizer).await?;
        let context = Context::default().with("aws:SourceIp", asking.request.source_ip);
        match answer.judge(&arn(asking), &context) {
            Judgement::Allow(grant) => Ok(Some(grant.authorizer())),
            Judgement::Deny { .. } => Err(Refused::Gateway(403, "Forbidden")),
        }
    }

    async fn ask_authorizer(
        &self,
        asking: Asking<'_>,
        authorizer: &ServedAuthorizer,
    ) -> Result<AuthorizerAnswer, Refused> {
        const FAILED: Refused = Refused::Gateway(500, "Internal Server Error");
        let AuthorizerKind::Lambda { uri, credentials, .. } = &authorizer.kind else { return Err(FAILED) };
        let Asking { api, stage, request, arrival, about } = asking;
        let target = FunctionTarget::read(uri, |name| stage.variable(name)).ok_or(FAILED)?;
        let call = about.call(CONNECT, &stage.variables, request.request_id, request.time_ms);
        let errand = Errand {
            api,
            target,
            role: credentials.as_deref(),
            source_arn: format!(
                "arn:aws:execute-api:{}:{}:{}/authorizers/{}",
                api.scope.region, api.scope.account, api.id, authorizer.id
            ),
            payload: websocket_authorizer_event(request, arrival, &call, &arn(asking)).into(),
            // An invoke of its own.
            request_id: uuid::Uuid::new_v4().to_string(),
            trace_id: arrival.trace_id,
            timeout: AUTHORIZER_TIMEOUT,
        };
        let answer = self.run(errand).await.map_err(|_| FAILED)?;
        AuthorizerAnswer::parse_policy(&answer).map_err(|malformed| {
            tracing::info!(
                api = api.id,
                authorizer = authorizer.id,
                why = malformed.why,
                "an authorizer's answer is none"
            );
            FAILED
        })
    }

    /// Whether the function lets the connection be, and the subprotocol that it has chosen.
    async fn ask_to_connect(&self, asking: Asking<'_>) -> Result<Option<String>, Refused> {
        let Asking { api, stage, request, arrival, about } = asking;
        let Some(route) = stage.message_routes.get(CONNECT) else { return Ok(None) };
        // Where changes are deployed by themselves, a route can lead nowhere for a while.
        let Some(integration) = &route.integration else { return Ok(None) };
        let call = about.call(CONNECT, &stage.variables, request.request_id, request.time_ms);
        let payload = websocket_event(&call, &WebsocketEvent::Connect { request, arrival });
        let on = OnRoute { api, stage, integration, key: CONNECT };
        let output = self.run_on_route(on, payload, request.request_id, arrival.trace_id).await;
        let answer = output.map_err(|refusal| gateway_error(&refusal)).and_then(|output| {
            answer_1(&output).map_err(|malformed| {
                tracing::info!(api = api.id, why = malformed.why, "the answer of $connect is none");
                Refused::Gateway(502, "Internal server error")
            })
        })?;
        if !(200..300).contains(&answer.status) {
            return Err(Refused::Function(answer));
        }
        Ok(answer.headers.into_iter().find(|(name, _)| name == PROTOCOL).map(|(_, value)| value))
    }
}

/// A route of a stage, with the function behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnRoute<'a> {
    pub(super) api: &'a Serving,
    pub(super) stage: &'a ServedStage,
    pub(super) integration: &'a Integration,
    pub(super) key: &'a str,
}

impl HttpApis {
    /// What the function of a route answers to an event.
    pub(super) async fn run_on_route(
        &self,
        on: OnRoute<'_>,
        payload: Vec<u8>,
        request_id: &str,
        trace_id: &str,
    ) -> Result<bytes::Bytes, Refusal> {
        let OnRoute { api, stage, integration, key } = on;
        let target = FunctionTarget::read(&integration.uri, |name| stage.variable(name)).ok_or_else(|| {
            tracing::info!(api = api.id, stage = stage.name, uri = integration.uri, "the stage lacks a variable");
            Refusal::Internal
        })?;
        let errand = Errand {
            api,
            target,
            role: integration.credentials.as_deref(),
            source_arn: execute_api_arn(&api.scope, &api.id, &stage.name, key, ""),
            payload: payload.into(),
            request_id: request_id.to_owned(),
            trace_id,
            timeout: Duration::from_millis(u64::from(integration.timeout_ms)),
        };
        self.run(errand).await
    }
}

fn gateway_error(refusal: &Refusal) -> Refused {
    match refusal {
        Refusal::Unavailable => Refused::Gateway(504, "Endpoint request timed out"),
        Refusal::TooLarge => Refused::Gateway(413, "Request Entity Too Large"),
        _ => Refused::Gateway(502, "Internal server error"),
    }
}

fn arn(asking: Asking<'_>) -> String {
    execute_api_arn(&asking.api.scope, &asking.api.id, &asking.stage.name, CONNECT, "")
}

/// The values of identity sources; none when one is missing.
fn identity(asking: Asking<'_>, sources: &[IdentitySource]) -> Option<Vec<String>> {
    let Asking { api, stage, request, about, .. } = asking;
    let context = [
        ("apiId", api.id.as_str()),
        ("connectionId", &about.id),
        ("domainName", request.host),
        ("eventType", "CONNECT"),
        ("identity.sourceIp", request.source_ip),
        ("identity.userAgent", request.user_agent().unwrap_or_default()),
        ("requestId", request.request_id),
        ("routeKey", CONNECT),
        ("stage", &stage.name),
    ];
    let context = context.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let facts = IdentityFacts { context: &context, stage_variables: &stage.variables };
    IdentitySource::read_all(sources, request, &facts)
}

/// The proof for a request that is one for a WebSocket (RFC 6455, section 4.2.1).
fn check_upgrade(parts: &http::request::Parts) -> Result<String, Refused> {
    let headers = &parts.headers;
    let asks = parts.method == http::Method::GET
        && parts.version == http::Version::HTTP_11
        && has_token(headers, header::CONNECTION.as_str(), "upgrade")
        && has_token(headers, header::UPGRADE.as_str(), "websocket");
    if !asks {
        return Err(Refused::NoWebSocket("This is the address of a WebSocket API: connect by ws or wss, in HTTP/1.1."));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refused::NoWebSocket("Only version 13 of the WebSocket protocol is understood."));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    key.and_then(key::accept).ok_or(Refused::Gateway(400, "Bad Request"))
}

fn has_token(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

fn no_websocket(message: &str) -> DoorResponse {
    let headers = [("upgrade", "websocket"), ("sec-websocket-version", "13"), ("content-type", "application/json")];
    respond(HttpAnswer {
        status: 426,
        reason: None,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: serde_json::json!({ "message": message }).to_string().into_bytes(),
    })
}

fn refusal(status: u16, message: &str, connection_id: &str, request: &DoorRequest) -> DoorResponse {
    let body = serde_json::json!({
        "message": message,
        "connectionId": connection_id,
        "requestId": request.request_id,
    });
    respond(HttpAnswer {
        status,
        reason: None,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    })
}

fn switching(accept: &str, protocol: Option<String>) -> DoorResponse {
    let mut response = DoorResponse::new(DoorBody::Whole(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let mut insert = |name, value: &str| HeaderValue::from_str(value).map(|value| headers.insert(name, value));
    // Both are plain: the one is base64, the other has been read as a header.
    let _ = insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    let _ = protocol.map(|protocol| insert(header::SEC_WEBSOCKET_PROTOCOL, &protocol));
    response
}
