//! The server under measurement: the release binary beside this one, on a free port, with a throw-away store.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use serde_json::{Value, json};

use crate::http::Connection;

/// How long the server may take to start, or a function to become ready (a runtime pack may have to be made).
const READY: Duration = Duration::from_secs(180);

/// A running server; ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    _data: tempfile::TempDir,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Result<Self> {
        Self::launch(std::env::var_os("TINDRA_BENCH_RUNTIMES").map(std::path::PathBuf::from).as_deref())
    }

    /// The same with this directory of runtime packs.
    pub(crate) fn start_with(runtimes: &std::path::Path) -> Result<Self> {
        Self::launch(Some(runtimes))
    }

    /// The same with settings as variables of its environment.
    pub(crate) fn start_set(runtimes: &std::path::Path, settings: &[(String, String)]) -> Result<Self> {
        Self::launch_set(Some(runtimes), settings)
    }

    fn launch(runtimes: Option<&std::path::Path>) -> Result<Self> {
        Self::launch_set(runtimes, &[])
    }

    fn launch_set(runtimes: Option<&std::path::Path>, settings: &[(String, String)]) -> Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("tindra");
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let data = tempfile::tempdir()?;
        let mut command = Command::new(&binary);
        command.args(["serve", "--listen", &address.to_string()]).arg("--data").arg(data.path());
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        if let Some(runtimes) = runtimes {
            command.arg("--runtimes").arg(runtimes);
        }
        let process =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().with_context(|| {
                format!("failed to start {}; build it first: cargo build --release", binary.display())
            })?;
        let server = Self { process, address, _data: data };
        server.wait("the server to answer", || {
            Ok(Connection::open(address)
                .and_then(|mut connection| connection.send("GET", "/_tindra/health", b""))
                .is_ok())
        })?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Creates a function and waits until it is active.
    pub(crate) fn deploy(&self, name: &str, runtime: &str, handler: &str, file: &str, source: &str) -> Result<()> {
        self.deploy_with(name, runtime, handler, &zip(file, source)?, &json!({}))
    }

    /// The same with a zip in base64 and further members of the request.
    pub(crate) fn deploy_with(&self, name: &str, runtime: &str, handler: &str, code: &str, more: &Value) -> Result<()> {
        let mut request = json!({
            "FunctionName": name, "Runtime": runtime, "Handler": handler, "MemorySize": 1769, "Timeout": 30,
            "Role": "arn:aws:iam::000000000000:role/bench", "Code": {"ZipFile": code},
        });
        if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
            request.extend(more.clone());
        }
        self.call("POST", "/2015-03-31/functions", &request)?;
        self.wait_ready(name)
    }

    /// Changes the configuration, so that the next invoke finds no environment.
    pub(crate) fn make_cold(&self, name: &str, number: usize) -> Result<()> {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        self.call("PUT", &path, &json!({"Environment": {"Variables": {"BENCH_ROUND": number.to_string()}}}))?;
        self.wait_ready(name)
    }

    /// Waits until a function is active.
    pub(crate) fn wait_ready(&self, name: &str) -> Result<()> {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        self.wait("the function to be ready", || {
            let read = self.call("GET", &path, &Value::Null)?;
            if read["State"] == "Failed" || read["LastUpdateStatus"] == "Failed" {
                bail!("{name} failed: {read}");
            }
            Ok(read["State"] == "Active" && read["LastUpdateStatus"] == "Successful")
        })
    }

    pub(crate) fn call(&self, method: &str, path: &str, request: &Value) -> Result<Value> {
        let body = if request.is_null() { Vec::new() } else { serde_json::to_vec(request)? };
        let response = Connection::open(self.address)?.send(method, path, &body)?;
        if !(200..300).contains(&response.status) {
            bail!("{method} {path} answered {}: {}", response.status, String::from_utf8_lossy(&response.body));
        }
        Ok(serde_json::from_slice(&response.body).unwrap_or(Value::Null))
    }

    /// Deploys a function unless it is there.
    pub(crate) fn prime(&self, name: &str, runtime: &str, handler: &str, code: &str) -> Result<()> {
        let there = self.call("GET", &format!("/2015-03-31/functions/{name}/configuration"), &Value::Null);
        if there.is_err() {
            self.deploy_with(name, runtime, handler, code, &json!({}))?;
        }
        Ok(())
    }

    /// The environments of a function.
    pub(crate) fn environments_of(&self, name: &str) -> Result<usize> {
        let all = self.call("GET", "/_tindra/environments", &Value::Null)?;
        let all = all["environments"].as_array().context("a list of environments")?;
        Ok(all.iter().filter(|environment| environment["function"] == name).count().max(1))
    }

    /// Environments and spares, of all functions.
    pub(crate) fn processes_kept(&self) -> Result<f64> {
        let mut all = 0.0;
        for name in ["tindra_environments", "tindra_spares"] {
            let series = self.series(name)?;
            anyhow::ensure!(!series.is_empty(), "no metric {name}");
            all += series.iter().map(|(_, value)| value).sum::<f64>();
        }
        Ok(all)
    }

    /// The sum of a metric's series.
    pub(crate) fn gauge(&self, name: &str) -> Result<f64> {
        Ok(self.series(name)?.iter().map(|(_, value)| value).sum())
    }

    /// Waits until so many spares are there.
    pub(crate) fn wait_for_spares(&self, count: usize) -> Result<()> {
        self.wait("spares", || Ok(self.gauge("tindra_spares")? >= count as f64))
    }

    /// The series of a metric, with their labels; none before the first was counted.
    pub(crate) fn series(&self, name: &str) -> Result<Vec<(String, f64)>> {
        let response = Connection::open(self.address)?.send("GET", "/metrics", b"")?;
        let text = String::from_utf8_lossy(&response.body);
        let is_meant = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let parse =
            |line: &str| line.rsplit_once(' ').and_then(|(key, value)| Some((key.to_owned(), value.parse().ok()?)));
        Ok(text.lines().filter(is_meant).filter_map(parse).collect())
    }

    fn wait(&self, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + READY;
        while !condition()? {
            if Instant::now() > end {
                bail!("waited {READY:?} for {what}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// A zip with one file, in base64.
pub(crate) fn zip(file: &str, content: &str) -> Result<String> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(file, zip::write::SimpleFileOptions::default())?;
    archive.write_all(content.as_bytes())?;
    Ok(base64::engine::general_purpose::STANDARD.encode(archive.finish()?.into_inner()))
}

/// A zip with one executable file, in base64.
pub(crate) fn zip_executable(file: &str, content: &[u8]) -> Result<String> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(file, zip::write::SimpleFileOptions::default().unix_permissions(0o755))?;
    archive.write_all(content)?;
    Ok(base64::engine::general_purpose::STANDARD.encode(archive.finish()?.into_inner()))
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL is enough: the launcher ends every sandbox when its server is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
