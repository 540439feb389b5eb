//! How a connection says who it is: what is asked for, stored, shown without its secrets, and added to requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use uuid::Uuid;

use super::error::EventsError;
use super::names::Kind;

/// A connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Connection {
    pub(super) id: Uuid,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) sort: String,
    /// None once it was deauthorised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<AuthParameters>,
    pub(super) created_ms: UnixMs,
    pub(super) modified_ms: UnixMs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authorized_ms: Option<UnixMs>,
}

/// `AuthParameters`. What an update leaves out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AuthParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    basic_auth_parameters: Option<Basic>,
    #[serde(rename = "OAuthParameters", default, skip_serializing_if = "Option::is_none")]
    oauth_parameters: Option<OAuth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key_auth_parameters: Option<ApiKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invocation_http_parameters: Option<HttpMore>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connectivity_parameters: Option<serde_json::Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Basic {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ApiKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key_value: Option<String>,
}

/// `OAuthParameters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OAuth {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_parameters: Option<Client>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authorization_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http_method: Option<String>,
    #[serde(rename = "OAuthHttpParameters", default, skip_serializing_if = "Option::is_none")]
    pub(super) http_parameters: Option<HttpMore>,
}

/// `ClientParameters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Client {
    #[serde(rename = "ClientID", default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(rename = "ClientSecret", default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
}

/// `ConnectionHttpParameters`: what is added to every request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HttpMore {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) header_parameters: Vec<Parameter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) query_string_parameters: Vec<Parameter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) body_parameters: Vec<Parameter>,
}

/// A parameter of a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parameter {
    #[serde(default)]
    pub(super) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) is_value_secret: bool,
}

/// Where the token of a connection comes from, or what stands for it.
pub(super) enum Proof<'a> {
    Header(String, String),
    Token(&'a OAuth),
}

impl Connection {
    pub(super) fn arn(&self, scope: &Scope) -> String {
        Kind::Connection.arn(scope, &format!("{}/{}", self.name, self.id))
    }

    /// `ConnectionState`.
    pub(super) fn state(&self) -> &'static str {
        if self.parameters.is_some() { "AUTHORIZED" } else { "DEAUTHORIZED" }
    }

    /// How a request shows who sends it.
    pub(super) fn proof(&self) -> Option<Proof<'_>> {
        let parameters = self.parameters.as_ref()?;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        if let Some(Basic { username, password }) = &parameters.basic_auth_parameters {
            return Some(Proof::Header("authorization".to_owned(), basic(&text(username), &text(password))));
        }
        if let Some(ApiKey { api_key_name, api_key_value }) = &parameters.api_key_auth_parameters {
            return Some(Proof::Header(text(api_key_name), text(api_key_value)));
        }
        parameters.oauth_parameters.as_ref().map(Proof::Token)
    }

    /// What is added to its requests.
    pub(super) fn more(&self) -> Option<&HttpMore> {
        self.parameters.as_ref()?.invocation_http_parameters.as_ref()
    }
}

/// The value of an `Authorization` header.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

impl AuthParameters {
    /// What is stored for a kind of authorisation: everything that it needs must be there, nothing else may be.
    pub(super) fn checked(self, sort: &str) -> Result<Self, EventsError> {
        if self.connectivity_parameters.is_some() {
            return Err(EventsError::unsupported("ConnectivityParameters of connections"));
        }
        let given = [
            ("BASIC", "BasicAuthParameters", self.basic_auth_parameters.is_some()),
            ("API_KEY", "ApiKeyAuthParameters", self.api_key_auth_parameters.is_some()),
            ("OAUTH_CLIENT_CREDENTIALS", "OAuthParameters", self.oauth_parameters.is_some()),
        ];
        for (of, member, is_given) in given {
            if (of == sort) != is_given {
                let what = if is_given { "is not for" } else { "must be given for" };
                return Err(EventsError::invalid(format!("AuthParameters.{member} {what} AuthorizationType {sort}.")));
            }
        }
        let missing = |what: &str| EventsError::invalid(format!("AuthParameters must give {what}."));
        if let Some(Basic { username, password }) = &self.basic_auth_parameters {
            username.as_ref().zip(password.as_ref()).ok_or_else(|| missing("Username and Password"))?;
        }
        if let Some(ApiKey { api_key_name, api_key_value }) = &self.api_key_auth_parameters {
            let (name, value) = api_key_name
                .as_ref()
                .zip(api_key_value.as_ref())
                .ok_or_else(|| missing("ApiKeyName and ApiKeyValue"))?;
            check_header(name, value)?;
        }
        if let Some(oauth) = &self.oauth_parameters {
            let client = oauth.client_parameters.as_ref();
            client
                .and_then(|client| client.id.as_ref().zip(client.secret.as_ref()))
                .ok_or_else(|| missing("ClientID and ClientSecret"))?;
            let endpoint = oauth.authorization_endpoint.as_ref().ok_or_else(|| missing("AuthorizationEndpoint"))?;
            check_url(endpoint)?;
            oauth.http_method.as_ref().ok_or_else(|| missing("HttpMethod"))?;
        }
        let more =
            [&self.invocation_http_parameters, &self.oauth_parameters.as_ref().and_then(|o| o.http_parameters.clone())]
                .map(Clone::clone);
        for parameter in more.iter().flatten().flat_map(|more| &more.header_parameters) {
            check_header(&parameter.key, parameter.value.as_deref().unwrap_or_default())?;
        }
        Ok(self)
    }

    /// With what an update gives in place of what was there.
    pub(super) fn updated(&self, update: &Self) -> Self {
        let (Ok(mut all), Ok(update)) = (serde_json::to_value(self), serde_json::to_value(update)) else {
            return update.clone();
        };
        merge(&mut all, &update);
        serde_json::from_value(all).unwrap_or_else(|_| self.clone())
    }

    /// Only what is for one kind of authorisation, where the kind changes.
    pub(super) fn only_for(mut self, sort: &str) -> Self {
        self.basic_auth_parameters = self.basic_auth_parameters.filter(|_| sort == "BASIC");
        self.api_key_auth_parameters = self.api_key_auth_parameters.filter(|_| sort == "API_KEY");
        self.oauth_parameters = self.oauth_parameters.filter(|_| sort == "OAUTH_CLIENT_CREDENTIALS");
        self
    }

    /// As it is shown: without secrets.
    pub(super) fn shown(&self) -> Self {
        let mut shown = self.clone();
        if let Some(basic) = &mut shown.basic_auth_parameters {
            basic.password = None;
        }
        if let Some(key) = &mut shown.api_key_auth_parameters {
            key.api_key_value = None;
        }
        let mut more = vec![&mut shown.invocation_http_parameters];
        if let Some(oauth) = &mut shown.oauth_parameters {
            if let Some(client) = &mut oauth.client_parameters {
                client.secret = None;
            }
            more.push(&mut oauth.http_parameters);
        }
        for more in more.into_iter().flatten() {
            let all = more.header_parameters.iter_mut();
            let all = all.chain(&mut more.query_string_parameters).chain(&mut more.body_parameters);
            all.filter(|parameter| parameter.is_value_secret).for_each(|parameter| parameter.value = None);
        }
        shown
    }
}

/// Objects member by member; all else is replaced.
fn merge(all: &mut serde_json::Value, update: &serde_json::Value) {
    match (all, update) {
        (serde_json::Value::Object(all), serde_json::Value::Object(update)) => {
            for (name, value) in update {
                merge(all.entry(name.clone()).or_insert(serde_json::Value::Null), value);
            }
        }
        (all, update) => *all = update.clone(),
    }
}

fn check_header(name: &str, value: &str) -> Result<(), EventsError> {
    let is_header = http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok();
    if is_header { Ok(()) } else { Err(EventsError::invalid(format!("{name} is no header that can be sent."))) }
}

/// Refuses what is no URL of a web server.
pub(super) fn check_url(url: &str) -> Result<(), EventsError> {
    let invalid =
        || EventsError::invalid(format!("{url} is no URL: it has to begin with https:// or http:// and a host."));
    let uri: http::Uri = url.replace('*', "x").parse().map_err(|_| invalid())?;
    let is_web = matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some_and(|host| !host.is_empty());
    if is_web { Ok(()) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(value: serde_json::Value) -> AuthParameters {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn secrets_are_not_shown() {
        let all = parameters(json!({
            "OAuthParameters": {
                "ClientParameters": {"ClientID": "me", "ClientSecret": "hush"},
                "AuthorizationEndpoint": "https://a.test/token", "HttpMethod": "POST",
                "OAuthHttpParameters": {"BodyParameters": [{"Key": "k", "Value": "hush", "IsValueSecret": true}]},
            },
            "InvocationHttpParameters": {
                "HeaderParameters": [{"Key": "a", "Value": "open", "IsValueSecret": false}],
                "QueryStringParameters": [{"Key": "b", "Value": "hush", "IsValueSecret": true}],
            },
        }));
        let all = all.checked("OAUTH_CLIENT_CREDENTIALS").unwrap();
        let shown = serde_json::to_string(&all.shown()).unwrap();
        assert!(!shown.contains("hush") && shown.contains("open") && shown.contains("me"), "{shown}");
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let before = parameters(json!({"BasicAuthParameters": {"Username": "me", "Password": "hush"}}));
        let after = before.updated(&parameters(json!({"BasicAuthParameters": {"Username": "you"}})));
        assert_eq!(after, parameters(json!({"BasicAuthParameters": {"Username": "you", "Password": "hush"}})));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for (sort, value) in [
            ("BASIC", json!({})),
            ("BASIC", json!({"BasicAuthParameters": {"Username": "me"}})),
            ("API_KEY", json!({"BasicAuthParameters": {"Username": "me", "Password": "x"}})),
            ("API_KEY", json!({"ApiKeyAuthParameters": {"ApiKeyName": "a b", "ApiKeyValue": "x"}})),
        ] {
            assert!(parameters(value.clone()).checked(sort).is_err(), "{value}");
        }
    }
}
