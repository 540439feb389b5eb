//! Where a broker is: `amqp://HOST[:PORT]` or `amqps://HOST[:PORT]`.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// The port without TLS, unless one is named.
const PORT: u16 = 5672;
/// The port with TLS, unless one is named.
const TLS_PORT: u16 = 5671;

/// The URL of a broker, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
}

/// Why a text is not a [`BrokerUrl`]. It reads after "is".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerUrlError {
    /// It is something else.
    #[error("\"{0}\", which is not the URL of a broker")]
    NotABroker(String),
    /// Of a broker that is spoken to in another language.
    #[error("\"{0}\", and only RabbitMQ is polled, by AMQP 0-9-1; ActiveMQ is not")]
    OtherProtocol(String),
    /// It holds a user name or a password, which are not repeated here.
    #[error("a URL with a user name or a password in it")]
    Secret,
}

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<Self, BrokerUrlError> {
        if text.contains('@') {
            return Err(BrokerUrlError::Secret);
        }
        let malformed = || BrokerUrlError::NotABroker(text.to_owned());
        let (scheme, authority) = text.split_once("://").ok_or_else(malformed)?;
        let is_tls = match scheme {
            "amqps" => true,
            "amqp" => false,
            _ => return Err(BrokerUrlError::OtherProtocol(scheme.to_owned())),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = split(authority).ok_or_else(malformed)?;
        let port = port.unwrap_or(if is_tls { TLS_PORT } else { PORT });
        Ok(Self { host: host.to_owned(), port, is_tls })
    }
}

fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
            (is_address.then_some(host)?, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        None => None,
    };
    is_host.then_some((host, port))
}

impl Display for BrokerUrl {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "amqps" } else { "amqp" };
        match self.host.contains(':') {
            true => write!(out, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(out, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_and_port() {
        for (text, url) in [
            ("amqp://rabbit", "amqp://rabbit:5672"),
            ("amqps://rabbit.example/", "amqps://rabbit.example:5671"),
            ("amqps://10.0.0.1:1234", "amqps://10.0.0.1:1234"),
            ("amqp://[::1]", "amqp://[::1]:5672"),
            ("amqp://[::1]:7", "amqp://[::1]:7"),
        ] {
            assert_eq!(text.parse::<BrokerUrl>().unwrap().to_string(), url);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["rabbit:5672", "amqp://", "amqp://a:0", "amqp://a:70000", "amqp://a/vhost", "amqp://[x]", "amqp://a:b"]
        {
            assert!(matches!(text.parse::<BrokerUrl>(), Err(BrokerUrlError::NotABroker(_))), "{text}");
        }
        assert_eq!("amqp://guest:secret@a".parse::<BrokerUrl>(), Err(BrokerUrlError::Secret));
        assert!(matches!("ssl://a:61617".parse::<BrokerUrl>(), Err(BrokerUrlError::OtherProtocol(_))));
    }
}
