//! Cold starts and restores. Ours and the floor take turns, so that drift of the machine hits both.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{Bench, JAVA, NODE, PYTHON, PYTHON_SDK, PYTHON_SLOW};
use crate::cold::{EVENT, SETTLE};
use crate::figures::Figures;
use crate::server::{zip, zip_executable};
use crate::table::Wanted;
use crate::{ask, http, relay, run, rust_hello, time};

/// A function whose cold start is measured.
struct Subject<'a> {
    name: &'a str,
    runtime: &'a str,
    handler: &'a str,
    /// A zip in base64.
    code: String,
}

impl Bench {
    pub(super) fn python(&mut self, what: &str) -> Result<()> {
        let runtime = self.interpreters.python_runtime.clone();
        let code = zip("app.py", PYTHON)?;
        let subject = Subject { name: "hello-python", runtime: &runtime, handler: "app.handler", code };
        let bare = [self.interpreters.python.as_str(), "-I", "-S", "-c", "0"].map(str::to_owned);
        self.cold(what, subject, "python3 -I -S -c 0", || time(|| run(&bare)), 0.5)
    }

    pub(super) fn sdk(&mut self, what: &str) -> Result<()> {
        let runtime = self.interpreters.python_runtime.clone();
        let code = zip("app.py", PYTHON_SDK)?;
        let source = format!("import sys; sys.path.insert(0, {:?}); import boto3", self.packages_of_the_sdk()?);
        let subject = Subject { name: "hello-sdk", runtime: &runtime, handler: "app.handler", code };
        let bare = [self.interpreters.python.as_str(), "-B", "-c", &source].map(str::to_owned);
        self.cold(what, subject, "python3 -c 'import boto3'", || time(|| run(&bare)), 0.1)
    }

    pub(super) fn node(&mut self, what: &str) -> Result<()> {
        let runtime = self.interpreters.node_runtime.clone();
        let code = zip("index.mjs", NODE)?;
        let subject = Subject { name: "hello-node", runtime: &runtime, handler: "index.handler", code };
        let bare = [self.interpreters.node.as_str(), "-e", "0"].map(str::to_owned);
        self.cold(what, subject, "node -e 0", || time(|| run(&bare)), 0.08)
    }

    pub(super) fn java(&mut self, what: &str) -> Result<()> {
        let Ok(version) = Command::new("java").arg("-version").output() else {
            bail!("no java here");
        };
        let version = String::from_utf8_lossy(&version.stderr).into_owned();
        let major = version.split('"').nth(1).and_then(|text| text.split('.').next()).context("java's version")?;
        std::fs::write(self.scratch.path().join("Hello.java"), JAVA)?;
        let directory = self.scratch.path().display().to_string();
        run(&["javac", "-d", &directory, &format!("{directory}/Hello.java")].map(str::to_owned))?;
        let class = std::fs::read(self.scratch.path().join("Hello.class"))?;
        let java = std::fs::canonicalize(ask("which", &["java"])?)?.display().to_string();
        let bare = [java.as_str(), "-cp", &directory, "Hello"].map(str::to_owned);
        let code = zip_executable("Hello.class", &class)?;
        let runtime = format!("java{major}");
        let subject = Subject { name: "hello-java", runtime: &runtime, handler: "Hello::handle", code };
        self.cold(what, subject, "java Hello", || time(|| run(&bare)), 0.5)
    }

    /// The same program here and in the floor.
    pub(super) fn rust(&mut self, what: &str) -> Result<()> {
        let binary = rust_hello::build()?;
        let code = zip_executable("bootstrap", &std::fs::read(&binary)?)?;
        let subject = Subject { name: "hello-rust", runtime: "provided.al2023", handler: "any", code };
        let floor = || {
            let relay = relay::start()?.address();
            let mut command = Command::new(&binary);
            command.env_clear().envs([
                ("AWS_LAMBDA_FUNCTION_NAME", "hello-rust"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ]);
            command.env("AWS_LAMBDA_RUNTIME_API", relay.to_string()).stdin(Stdio::null());
            let started = Instant::now();
            let mut process = command.spawn()?;
            let called = http::Connection::open(relay)?.post("/invoke", EVENT);
            let taken = started.elapsed();
            process.kill()?;
            process.wait()?;
            called.map(|_| taken)
        };
        self.cold(what, subject, "bare exec on the relay", floor, 1.15)
    }

    fn cold(
        &mut self,
        what: &str,
        subject: Subject<'_>,
        floor: &str,
        start_floor: impl Fn() -> Result<Duration>,
        wanted: f64,
    ) -> Result<()> {
        let Subject { name, runtime, handler, code } = subject;
        self.server.prime(name, runtime, handler, &code)?;
        std::thread::sleep(SETTLE);
        let (mut floors, mut ours) = (Vec::new(), Vec::new());
        for number in 0..self.rounds {
            floors.push(start_floor()?);
            ours.push(self.server.cold_start(name, number)?);
        }
        self.table.time(what, &Figures::of(ours), floor, &Figures::of(floors), Wanted::AtMost(wanted));
        Ok(())
    }

    pub(super) fn restore(&mut self, what: &str) -> Result<()> {
        let name = "restored";
        let runtime = "python3.12";
        if ask("python3.12", &["--version"]).is_err() && self.interpreters.python_runtime != runtime {
            bail!("no Python 3.12 here");
        }
        let code = zip("app.py", PYTHON_SLOW)?;
        let snap_start = json!({"SnapStart": {"ApplyOn": "PublishedVersions"}});
        self.server.deploy_with(name, runtime, "app.handler", &code, &snap_start)?;
        let mut ours = Vec::new();
        for number in 0..self.rounds.min(10) {
            self.server.make_cold(name, number)?;
            let published = self.server.call("POST", &format!("/2015-03-31/functions/{name}/versions"), &json!({}))?;
            let version = published["Version"].as_str().context("the version's number")?.to_owned();
            self.server.wait_ready(&format!("{name}:{version}"))?;
            std::thread::sleep(SETTLE);
            let path = format!("/2015-03-31/functions/{name}/invocations?Qualifier={version}");
            ours.push(self.server.first_invoke(name, &path)?);
        }
        self.table.time_below(what, &Figures::of(ours), "2 s of init", 10.0);
        Ok(())
    }

    /// Where the pack of the runtime has it.
    fn packages_of_the_sdk(&self) -> Result<String> {
        let runtime = &self.interpreters.python_runtime;
        let version = runtime.trim_start_matches("python");
        self.server.prime("hello-python", runtime, "app.handler", &zip("app.py", PYTHON)?)?;
        let pack = relay::pack(&self.runtimes, runtime)?;
        Ok(pack.join(format!("var/lang/lib/python{version}/site-packages")).display().to_string())
    }
}
