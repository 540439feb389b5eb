//! What stands behind the doors, how each door is opened, and the event that it makes.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Bench;
use crate::cold::EVENT;
use crate::http::Connection;
use crate::load::Call;
use crate::rust_hello;
use crate::server::{zip, zip_executable};

/// What a client of an HTTP API sends beside its host.
const CLIENT_HEADERS: &str = "accept: */*\r\ncontent-type: application/json\r\nuser-agent: tindra-bench\r\n";

/// A function that answers with its event, which a door sends on as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello {
    pub(super) name: &'static str,
    language: Language,
}

#[derive(Clone, Copy, Debug)]
enum Language {
    Rust,
    Python,
    Node,
}

/// In the order of the table.
pub(super) const HELLO: [Hello; 3] = [
    Hello { name: "hello-rust", language: Language::Rust },
    Hello { name: "hello-python", language: Language::Python },
    Hello { name: "hello-node", language: Language::Node },
];

/// Where requests go that lead to a function.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// For the table: `through a URL`.
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    /// Lines of the head, the host's among them.
    pub(super) headers: String,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

impl Way {
    /// A connection whose requests carry its headers.
    pub(super) fn connect(&self) -> Result<Connection> {
        Connection::open_with(self.address, &self.headers)
    }

    /// The same for load.
    pub(super) fn call(&self) -> Call<'_> {
        let Self { address, headers, path, body, .. } = self;
        Call { address: *address, headers, path, body, expected: None }
    }
}

impl Bench<'_> {
    /// Deploys it unless it is there.
    pub(super) fn deploy(&self, hello: &Hello) -> Result<()> {
        let (python, node) = (&self.interpreters.python_runtime, &self.interpreters.node_runtime);
        let (runtime, handler, code) = match hello.language {
            Language::Rust => {
                ("provided.al2023", "any", zip_executable("bootstrap", &std::fs::read(rust_hello::build()?)?)?)
            }
            Language::Python => {
                (python.as_str(), "app.handler", zip("app.py", include_str!("../../peers/hello/app.py"))?)
            }
            Language::Node => {
                (node.as_str(), "index.handler", zip("index.js", include_str!("../../peers/hello/index.js"))?)
            }
        };
        self.server.prime(hello.name, runtime, handler, &code)
    }

    /// The URL of a function, which asks for no signature, by its host name; made where there is none.
    pub(super) fn url(&self, function: &str, invoke_mode: &str, path: &str) -> Result<Way> {
        let config = format!("/2021-10-31/functions/{function}/url");
        let made = || self.server.call("POST", &config, &json!({"AuthType": "NONE", "InvokeMode": invoke_mode}));
        let url = self.server.call("GET", &config, &Value::Null).or_else(|_| made())?;
        self.by_host("through a URL", url["FunctionUrl"].as_str().context("the URL's address")?, path)
    }

    /// A new HTTP API all of whose requests are the function's: the quick create of API Gateway, which makes the route
    /// `$default` with payload format 2.0.
    pub(super) fn http_api(&self, function: &str) -> Result<Way> {
        let target = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
        let api = json!({"name": function, "protocolType": "HTTP", "target": target});
        let created = self.server.call("POST", "/v2/apis", &api)?;
        self.by_host("through an HTTP API", created["apiEndpoint"].as_str().context("the API's address")?, "/")
    }

    fn by_host(&self, name: &'static str, address: &str, path: &str) -> Result<Way> {
        let host = address.split("://").nth(1).context("an address with a host")?.trim_end_matches('/');
        let headers = format!("host: {host}\r\n{CLIENT_HEADERS}");
        Ok(Way { name, address: self.server.address(), headers, path: path.to_owned(), body: EVENT.to_vec() })
    }

    /// Invoke, with this event.
    pub(super) fn direct(&self, function: &str, event: Vec<u8>) -> Way {
        let headers = format!("host: {}\r\n{CLIENT_HEADERS}", self.server.address());
        let path = format!("/2015-03-31/functions/{function}/invocations");
        Way { name: "Invoke", address: self.server.address(), headers, path, body: event }
    }

    /// The event that a URL makes of a request: what an echo behind it answers, in the spelling of the server.
    pub(super) fn event_of(&self, url: &Way) -> Result<Vec<u8>> {
        let response = url.connect()?.post(&url.path, &url.body)?;
        let text = String::from_utf8_lossy(&response.body);
        ensure!(response.status == 200, "{} answered {}: {text}", url.name, response.status);
        let event: Value = serde_json::from_slice(&response.body)?;
        ensure!(
            event["requestContext"].is_object(),
            "{} answered with something else than its event: {text}",
            url.name
        );
        Ok(serde_json::to_vec(&event)?)
    }
}
