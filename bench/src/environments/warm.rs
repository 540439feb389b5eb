//! Warm invokes and throughput beside the relay, with the same client from the same runtime pack behind it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;

use super::{Bench, NODE, PYTHON};
use crate::cold::EVENT;
use crate::figures::{Figures, median};
use crate::relay::{self, Clients};
use crate::server::zip;
use crate::table::Wanted;
use crate::{answer, http, load, time};

/// Windows of a throughput, in turn with the floor's.
const TURNS: usize = 3;

/// A function, and how its runtime is started without us.
pub(super) struct Subject {
    name: &'static str,
    runtime: String,
    command: Vec<String>,
    handler: &'static str,
    file: &'static str,
    source: &'static str,
}

impl Bench {
    pub(super) fn warm_python(&self) -> Subject {
        let runtime = self.interpreters.python_runtime.clone();
        Subject {
            name: "hello-python",
            command: vec![format!("/var/lang/bin/{runtime}"), "/var/runtime/bootstrap.py".to_owned()],
            runtime,
            handler: "app.handler",
            file: "app.py",
            source: PYTHON,
        }
    }

    pub(super) fn warm_node(&self) -> Subject {
        Subject {
            name: "hello-node",
            command: ["/var/lang/bin/node", "--expose-gc", "/var/runtime/index.mjs"].map(str::to_owned).to_vec(),
            runtime: self.interpreters.node_runtime.clone(),
            handler: "index.handler",
            file: "index.mjs",
            source: NODE,
        }
    }

    /// One caller on one connection; ours and the relay take turns.
    pub(super) fn warm(&mut self, what: &str, subject: &Subject) -> Result<()> {
        let path = self.prepare(subject)?;
        let (relay, _clients) = self.start_floor(subject, 1)?;
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        let (mut here, mut there) = (http::Connection::open(self.server.address())?, http::Connection::open(relay)?);
        let calls = self.rounds * 100;
        for _ in 0..200 {
            answer(&mut here, &path, EVENT)?;
            answer(&mut there, "/invoke", EVENT)?;
        }
        for _ in 0..10 {
            for _ in 0..calls / 10 {
                ours.push(time(|| answer(&mut here, &path, EVENT))?);
            }
            for _ in 0..calls / 10 {
                floors.push(time(|| answer(&mut there, "/invoke", EVENT))?);
            }
        }
        self.table.time(what, &Figures::of(ours), "relay", &Figures::of(floors), Wanted::AtMost(1.25));
        Ok(())
    }

    /// Many callers; as many bare processes behind the relay as we have environments.
    pub(super) fn rate(&mut self, what: &str, subject: &Subject, callers: usize) -> Result<()> {
        let path = self.prepare(subject)?;
        let call = |address, path| load::Call::new(address, path, EVENT);
        // Uncounted: environments are started, and interpreters compile.
        load::rate(call(self.server.address(), &path), callers, 2 * self.window)?;
        let environments = self.server.environments_of(subject.name)?;
        let (relay, _clients) = self.start_floor(subject, environments)?;
        load::rate(call(relay, "/invoke"), callers, 2 * self.window)?;
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            ours.push(load::rate(call(self.server.address(), &path), callers, self.window)?);
            floors.push(load::rate(call(relay, "/invoke"), callers, self.window)?);
        }
        let (ours, floor) = (median(ours), median(floors));
        let what = format!("{what}, {environments} environments");
        self.table.rate(&what, ours, "relay with as many processes", floor, Wanted::AtLeast(0.85));
        Ok(())
    }

    /// Deploys it unless it is there; the path of its invokes.
    fn prepare(&self, subject: &Subject) -> Result<String> {
        self.server.prime(subject.name, &subject.runtime, subject.handler, &zip(subject.file, subject.source)?)?;
        Ok(format!("/2015-03-31/functions/{}/invocations", subject.name))
    }

    fn start_floor(&self, subject: &Subject, count: usize) -> Result<(SocketAddr, Clients)> {
        let code: PathBuf = self.scratch.path().join(subject.name);
        std::fs::create_dir_all(&code)?;
        std::fs::write(code.join(subject.file), subject.source)?;
        let pack = relay::pack(&self.runtimes, &subject.runtime)?;
        let command: Vec<&str> = subject.command.iter().map(String::as_str).collect();
        let relay = relay::start()?;
        let clients = Clients::start(&pack, &command, subject.handler, &code, &relay, count)?;
        Ok((relay.address(), clients))
    }
}
