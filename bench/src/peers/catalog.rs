//! The peers: what each is called, which functions it runs, and how it is started and called.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;

use super::install::{Source, install, version};
use super::measure::Bench;
use super::process::free_address;
use crate::cold::EVENT;
use crate::rust_hello;
use crate::table::Wanted;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    ServerlessOffline,
    /// Its command, once for each event.
    LambdaLocal,
    /// Its server, which runs the handler in its own process.
    LambdaLocalWatch,
    CargoLambdaWatch,
    /// Not of Lambda: Cloudflare's runtime.
    Workerd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Node,
    Python,
    Rust,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) language: Language,
    pub(super) kind: Kind,
    pub(super) wanted: Wanted,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Cold,
    Rate,
}

/// How a peer is brought to have no environment of a function.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cooling {
    /// It ends idle ones.
    Idling,
    /// It is started anew.
    Restarting,
    /// There is no server: each event is a run of a command.
    Running,
}

impl Row {
    fn new(language: Language, kind: Kind, wanted: Wanted) -> Self {
        Self { language, kind, wanted }
    }

    /// What it is called.
    pub(super) fn what(&self, peer: Peer) -> String {
        let what = match self.kind {
            Kind::Cold => "cold start",
            Kind::Rate => "invokes/s, 16 connections",
        };
        format!("{}: {what}, beside {}", self.language.function(), peer.name())
    }
}

impl Language {
    /// The function's name with us.
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Node => "hello-node",
            Self::Python => "hello-python",
            Self::Rust => "hello-rust",
        }
    }
}

impl Peer {
    pub(super) const ALL: [Self; 5] =
        [Self::ServerlessOffline, Self::LambdaLocal, Self::LambdaLocalWatch, Self::CargoLambdaWatch, Self::Workerd];

    pub(super) fn name(self) -> String {
        let (package, more) = match self {
            Self::ServerlessOffline => ("serverless-offline", ""),
            Self::LambdaLocal => ("lambda-local", ""),
            Self::LambdaLocalWatch => ("lambda-local", " --watch"),
            Self::CargoLambdaWatch => ("cargo-lambda", " watch"),
            Self::Workerd => ("workerd", ""),
        };
        format!("{package}{more} {}", version(package))
    }

    pub(super) fn rows(self) -> Vec<Row> {
        let cold = |language| Row::new(language, Kind::Cold, Wanted::AtMost(0.1));
        let rate = |language| Row::new(language, Kind::Rate, Wanted::AtLeast(2.0));
        match self {
            Self::ServerlessOffline => {
                vec![cold(Language::Node), rate(Language::Node), cold(Language::Python), rate(Language::Python)]
            }
            Self::LambdaLocal => vec![cold(Language::Node)],
            Self::LambdaLocalWatch => vec![cold(Language::Node), rate(Language::Node)],
            Self::CargoLambdaWatch => vec![cold(Language::Rust), rate(Language::Rust)],
            Self::Workerd => vec![
                Row::new(Language::Node, Kind::Cold, Wanted::Nothing),
                Row::new(Language::Node, Kind::Rate, Wanted::AtLeast(1.0)),
            ],
        }
    }

    pub(super) fn cooling(self) -> Cooling {
        match self {
            Self::ServerlessOffline => Cooling::Idling,
            Self::LambdaLocal => Cooling::Running,
            Self::LambdaLocalWatch | Self::CargoLambdaWatch | Self::Workerd => Cooling::Restarting,
        }
    }

    /// The path of its invokes.
    pub(super) fn path(self, language: Language) -> String {
        match self {
            Self::ServerlessOffline => {
                format!("/2015-03-31/functions/peers-dev-{}/invocations", language.function())
            }
            Self::CargoLambdaWatch => "/2015-03-31/functions/bootstrap/invocations".to_owned(),
            Self::LambdaLocal | Self::LambdaLocalWatch | Self::Workerd => "/".to_owned(),
        }
    }

    /// The same event to all, in the form each wants it.
    pub(super) fn body(self) -> Vec<u8> {
        match self {
            Self::LambdaLocalWatch => [br#"{"event":"#, EVENT, b"}"].concat(),
            _ => EVENT.to_vec(),
        }
    }

    /// The command that starts it, installing it first.
    pub(super) fn command(self, bench: &Bench, address: SocketAddr, kind: Kind) -> Result<Command> {
        let source = if self == Self::CargoLambdaWatch { Source::Pip } else { Source::Npm };
        let cache = install(source)?;
        let modules = cache.join("node_modules");
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let node = |script: &str| {
            let mut command = Command::new(&bench.interpreters.node);
            command.arg(modules.join(script)).current_dir(cache.join("hello"));
            command
        };
        let mut command = match self {
            Self::ServerlessOffline => {
                let mut command = node("serverless/bin/serverless.js");
                command.args(["offline", "start", "--host", &host, "--lambdaPort", &port]);
                for other in ["--httpPort", "--albPort", "--websocketPort"] {
                    command.arg(other).arg(free_address()?.port().to_string());
                }
                if matches!(kind, Kind::Cold) {
                    command.args(["--terminateIdleLambdaTime", "1"]);
                }
                command.env("SLS_TELEMETRY_DISABLED", "1").env("SLS_NOTIFICATIONS_MODE", "off");
                command
            }
            Self::LambdaLocal => {
                let mut command = node("lambda-local/build/cli.js");
                command.args(["-l", "index.js", "-h", "handler", "-e", "event.json", "-t", "30", "-v", "0"]);
                command
            }
            Self::LambdaLocalWatch => {
                let mut command = node("lambda-local/build/cli.js");
                command.args(["-l", "index.js", "-h", "handler", "-t", "30", "-v", "0", "-W", &port]);
                command
            }
            Self::CargoLambdaWatch => {
                rust_hello::build()?;
                let mut command = Command::new(cache.join("python/bin/cargo-lambda"));
                command.args(["lambda", "watch", "--release", "--wait", "--ignore-changes"]);
                command.args(["--invoke-address", &host, "--invoke-port", &port]);
                if matches!(kind, Kind::Rate) {
                    // Of one, its default, or many, it answers less.
                    let processors = std::thread::available_parallelism()?;
                    command.args(["--concurrency", &processors.to_string()]);
                }
                command.env("CARGO_TARGET_DIR", rust_hello::target()).current_dir(rust_hello::package());
                command
            }
            Self::Workerd => {
                let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "64" };
                let mut command =
                    Command::new(modules.join(format!("@cloudflare/workerd-linux-{machine}/bin/workerd")));
                command.args(["serve", "worker.capnp", &format!("--socket-addr=http={address}")]);
                command.current_dir(cache.join("hello"));
                command
            }
        };
        command.env("PATH", bench.search_path()?);
        Ok(command)
    }
}
