//! From what an operation answers, or an error, to a response on the wire.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use crate::data::{Location, Member, Protocol, Shape};
use crate::error::{ApiError, IN_QUERY, UNMODELLED};
use crate::service::{Operation, Reply, Service};

const REST_JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT_XML: HeaderValue = HeaderValue::from_static("text/xml");
const JSON_1_0: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const CBOR_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-cbor-1.1");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

impl Service {
    fn content_type(&self) -> HeaderValue {
        match self.data.protocol {
            Protocol::RestJson => REST_JSON,
            Protocol::Json if self.data.is_json_1_0 => JSON_1_0,
            Protocol::Json if self.data.is_cbor => CBOR_1_1,
            Protocol::Json => JSON_1_1,
            Protocol::Query => TEXT_XML,
        }
    }

    /// The response for a reply: members go to their headers, the rest to the body. The query protocol shows the
    /// request's id there, too.
    #[must_use]
    pub fn encode(&self, operation: &Operation, reply: Reply, request_id: &str) -> Response<Bytes> {
        if self.data.protocol == Protocol::Query {
            return xml_response(200, self.write_answer(operation, &reply.output, request_id), request_id);
        }
        let mut members = match reply.output {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let status = reply.status.unwrap_or(operation.data.status);
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let shape = operation.data.output.as_deref().and_then(|name| self.shape(name));
        for member in shape.map(|shape| shape.members.as_slice()).unwrap_or_default() {
            match member.location {
                Location::Header => {
                    let value = members.remove(&member.name);
                    put_header(&mut response, member.wire_name(), value.as_ref());
                }
                Location::StatusCode => {
                    members.remove(&member.name);
                }
                _ => {}
            }
        }
        if status == 204 {
            return response;
        }
        response.headers_mut().insert(CONTENT_TYPE, self.content_type());
        *response.body_mut() = match (shape, reply.payload) {
            (_, Some(payload)) => payload,
            (Some(shape), None) if shape.payload.is_none() => {
                self.to_bytes(Some(shape), &self.under_wire_names(shape, Value::Object(members)))
            }
            // Without a payload its place is empty, and so is the answer of an operation that has no output.
            (_, None) => Bytes::new(),
        };
        response
    }

    /// The response for an error.
    #[must_use]
    pub fn encode_error(&self, error: &ApiError, request_id: &str) -> Response<Bytes> {
        if self.data.protocol == Protocol::Query {
            let (status, code) = self.query_error_form(error.code());
            let text = self.write_error(status, code, error.message(), request_id);
            let mut response = xml_response(status, text, request_id);
            response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error.code()));
            return response;
        }
        let (status, message_member) = self.error_form(error.code());
        let mut body = Map::new();
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if self.data.is_query_compatible {
            let fault = if status < 500 { "Sender" } else { "Receiver" };
            let code = format!("{};{fault}", self.query_error_form(error.code()).1);
            response.headers_mut().extend(HeaderValue::try_from(code).ok().map(|code| (QUERY_ERROR, code)));
            body.insert(
                "__type".to_owned(),
                Value::from(format!("com.amazonaws.{}#{}", self.data.service, error.code())),
            );
        } else if self.data.protocol == Protocol::Json {
            body.insert("__type".to_owned(), Value::from(error.code()));
        } else if self.has_member(error.code(), "Type") {
            body.insert("Type".to_owned(), Value::from(if status < 500 { "User" } else { "Server" }));
        }
        body.insert(message_member.to_owned(), Value::from(error.message()));
        for (name, value) in error.members() {
            let member =
                self.shape(error.code()).and_then(|shape| shape.members.iter().find(|member| member.name == *name));
            match member {
                Some(member) if member.location == Location::Header => {
                    put_header(&mut response, member.wire_name(), Some(value))
                }
                Some(member) => {
                    body.insert(member.wire_name().to_owned(), value.clone());
                }
                None => {
                    body.insert(name.clone(), value.clone());
                }
            }
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type());
        headers.insert(ERROR_TYPE, HeaderValue::from_static(error.code()));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        *response.body_mut() = self.to_bytes(self.shape(error.code()), &Value::Object(body));
        response
    }

    /// A value as a body of the service, or as the payload of one of its events.
    fn to_bytes(&self, shape: Option<&Shape>, value: &Value) -> Bytes {
        if self.data.is_cbor { self.write_cbor(shape, value).into() } else { to_bytes(value) }
    }

    /// The payload of an event of a stream, by the name of its shape, and its content type.
    #[must_use]
    pub fn encode_event(&self, shape: &str, event: &Value) -> (Bytes, &'static str) {
        let kind = if self.data.is_cbor { "application/x-amz-cbor-1.1" } else { "application/x-amz-json-1.1" };
        (self.to_bytes(self.shape(shape), event), kind)
    }

    /// A value with its members under the names that they have on the wire, where those are others.
    fn under_wire_names(&self, shape: &Shape, value: Value) -> Value {
        let inner = |name: &Option<String>| name.as_deref().and_then(|name| self.shape(name));
        let renamed = |shape: Option<&Shape>, value| match shape {
            Some(shape) => self.under_wire_names(shape, value),
            None => value,
        };
        match (shape.kind.as_str(), value) {
            ("structure", Value::Object(members)) => {
                let members = members.into_iter().map(|(name, value)| {
                    match shape.members.iter().find(|member| member.name == name) {
                        Some(member) => (member.wire_name().to_owned(), renamed(self.shape(&member.shape), value)),
                        None => (name, value),
                    }
                });
                Value::Object(members.collect())
            }
            ("list", Value::Array(items)) => {
                Value::Array(items.into_iter().map(|item| renamed(inner(&shape.member), item)).collect())
            }
            ("map", Value::Object(entries)) => Value::Object(
                entries.into_iter().map(|(key, value)| (key, renamed(inner(&shape.value), value))).collect(),
            ),
            (_, value) => value,
        }
    }

    /// Status and the spelling of the message member.
    fn error_form(&self, code: &str) -> (u16, &'static str) {
        let is_json = self.data.protocol == Protocol::Json;
        if let Some(shape) = self.shape(code).filter(|shape| shape.exception) {
            let named = |member: &&Member| member.name == "Message";
            let member = match shape.members.iter().find(named) {
                Some(member) if member.wire_name() == "Message" => "Message",
                _ => "message",
            };
            return (shape.status.unwrap_or(if is_json && !shape.fault { 400 } else { 500 }), member);
        }
        let unmodelled = UNMODELLED.iter().find(|(name, _, _)| *name == code);
        let (status, member) = unmodelled.map_or((500, "Message"), |(_, status, member)| (*status, *member));
        // The JSON protocols answer 400 to everything that is the caller's fault, but for a body that is too large.
        let is_flattened = is_json && status < 500 && status != 413;
        (if is_flattened { 400 } else { status }, member)
    }

    /// Status and code of an error in the query protocol.
    fn query_error_form<'a>(&'a self, code: &'a str) -> (u16, &'a str) {
        if let Some((_, code, status)) = IN_QUERY.iter().find(|(name, _, _)| *name == code) {
            return (*status, code);
        }
        match self.shape(code).filter(|shape| shape.exception) {
            Some(shape) => (shape.status.unwrap_or(400), shape.code.as_deref().unwrap_or(code)),
            None => (UNMODELLED.iter().find(|(name, _, _)| *name == code).map_or(500, |(_, status, _)| *status), code),
        }
    }

    fn has_member(&self, shape: &str, member: &str) -> bool {
        self.shape(shape).is_some_and(|shape| shape.members.iter().any(|known| known.name == member))
    }
}

fn xml_response(status: u16, text: String, request_id: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, TEXT_XML);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn put_header(response: &mut Response<Bytes>, name: &str, value: Option<&Value>) {
    let text = match value {
        None | Some(Value::Null) => return,
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.to_ascii_lowercase()), HeaderValue::from_str(&text)) {
        response.headers_mut().insert(name, value);
    }
}

fn to_bytes(value: &Value) -> Bytes {
    // A `Value` always serialises: its keys are strings.
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests;
