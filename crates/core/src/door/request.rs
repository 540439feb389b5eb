//! An HTTP request as a door sees it.

use crate::clock::UnixMs;

/// A request whose head and body have been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest<'a> {
    /// For example `GET`, in capitals.
    pub method: &'a str,
    /// The path as it came, percent-encoded, beginning with `/`, without the query.
    pub path: &'a str,
    /// What follows the `?`, as it came; none without a `?`.
    pub query: Option<&'a str>,
    /// For example `HTTP/1.1`.
    pub protocol: &'a str,
    /// The domain name that was asked for, without the port.
    pub host: &'a str,
    /// The address of the client.
    pub source_ip: &'a str,
    /// In order of arrival, a name perhaps several times; names in lower case, or as they came where the
    /// listener knows.
    pub headers: Vec<(String, String)>,
    /// Empty for requests without one.
    pub body: &'a [u8],
    /// What the door calls this request.
    pub request_id: &'a str,
    /// When it came.
    pub time_ms: UnixMs,
}

impl<'a> HttpRequest<'a> {
    /// The first value of a header; case does not count in names.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).next()
    }

    /// All values of a header in order of arrival.
    pub fn header_values<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s str> {
        self.headers.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// `User-Agent`.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.header("user-agent")
    }

    /// Each cookie (`name=value`) of all `Cookie` headers.
    #[must_use]
    pub fn cookies(&self) -> Vec<&str> {
        self.header_values("cookie")
            .flat_map(|header| header.split(';'))
            .map(str::trim)
            .filter(|cookie| !cookie.is_empty())
            .collect()
    }

    /// The first label of the domain name.
    #[must_use]
    pub fn domain_prefix(&self) -> &'a str {
        self.host.split('.').next().unwrap_or_default()
    }
}
