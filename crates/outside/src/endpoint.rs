//! Where a service is: the URL of its server, read and checked once.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use http::{HeaderValue, Uri};
use rustls::pki_types::ServerName;

/// The URL of a server, `http://` or `https://`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    /// Without brackets.
    host: String,
    port: u16,
    /// Host and port as the URL has them.
    authority: HeaderValue,
    /// The name that the server's certificate has to bear; none without TLS.
    tls_name: Option<ServerName<'static>>,
}

/// Why a text is not an [`Endpoint`]. It reads after "is" or "the endpoint is".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is something else.
    #[error("\"{0}\", which is not the URL of a server")]
    NotAServer(String),
    /// It holds a user name or a password, which are not repeated here and would not be sent.
    #[error("a URL with a user name or a password in it")]
    Secret,
}

impl Endpoint {
    /// The URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name or address to connect to.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The `Host` header.
    #[must_use]
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// The name that the server's certificate has to bear; none without TLS.
    pub(super) fn tls_name(&self) -> Option<&ServerName<'static>> {
        self.tls_name.as_ref()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.contains('@') {
            return Err(EndpointError::Secret);
        }
        read(text).ok_or_else(|| EndpointError::NotAServer(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Endpoint> {
    let uri: Uri = text.parse().ok()?;
    let is_tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    if uri.path() != "/" || uri.query().is_some() {
        return None;
    }
    let authority = uri.authority()?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    // An authority ends in a colon when its port is empty, and has one that is too large when none can be read.
    let has_port = authority.as_str().len() > authority.host().len();
    let port = match (authority.port_u16(), has_port) {
        (Some(0), _) | (None, true) => return None,
        (Some(port), _) => port,
        (None, false) if is_tls => 443,
        (None, false) => 80,
    };
    let tls_name = if is_tls { Some(ServerName::try_from(host.clone()).ok()?) } else { None };
    Some(Endpoint {
        url: text.trim_end_matches('/').to_owned(),
        authority: HeaderValue::from_str(authority.as_str()).ok()?,
        host,
        port,
        tls_name,
    })
}

impl Display for Endpoint {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers_are_read() {
        for (text, url, host, port, authority, is_tls) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1:9000", false),
            ("http://queues/", "http://queues", "queues", 80, "queues", false),
            ("https://[::1]:8443", "https://[::1]:8443", "::1", 8443, "[::1]:8443", true),
            (
                "https://sqs.eu-west-1.amazonaws.com",
                "https://sqs.eu-west-1.amazonaws.com",
                "sqs.eu-west-1.amazonaws.com",
                443,
                "sqs.eu-west-1.amazonaws.com",
                true,
            ),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.url(), endpoint.host(), endpoint.port()), (url, host, port));
            assert_eq!(
                (endpoint.authority(), endpoint.tls_name().is_some()),
                (&HeaderValue::from_static(authority), is_tls)
            );
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            "s3.local",
            "ftp://h",
            "http://",
            "http://h/path",
            "http://h?query",
            "http://h:0",
            "http://h:",
            "http://h:99999",
            "http://a b",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError::NotAServer(text.to_owned())), "{text}");
        }
        let error = "https://key:word@h".parse::<Endpoint>().unwrap_err();
        assert!(!error.to_string().contains("word@"), "{error}");
    }
}
