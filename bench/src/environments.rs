//! Cold starts, restores, warm invokes and memory, each beside its floor or bound in the same run.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::relay::{self, Clients};
use crate::server::{Server, zip, zip_executable};
use crate::{answer, ask, http, run, time};

/// Between two cold starts: attaching to a control group is cheap back to back and dear when the machine is quiet.
const PAUSE: Duration = Duration::from_millis(100);
/// After a deployment, until spares have been made.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Environments whose memory is measured together.
const CROWD: usize = 100;
const EVENT: &[u8] = br#"{"name":"bench"}"#;

const PYTHON: &str = "def handler(event, context):\n    return event\n";
const PYTHON_SDK: &str = "import boto3\ndef handler(event, context):\n    return event\n";
const PYTHON_WAIT: &str = "import time\ndef handler(event, context):\n    time.sleep(3)\n";
const PYTHON_SDK_WAIT: &str = "import boto3, time\ndef handler(event, context):\n    time.sleep(3)\n";
const PYTHON_SLOW: &str = "import time\ntime.sleep(2)\ndef handler(event, context):\n    return event\n";
const NODE: &str = "export const handler = async (event) => event;\n";
const NODE_WAIT: &str = "export const handler = () => new Promise((resolve) => setTimeout(resolve, 3000));\n";
const JAVA: &str = "public class Hello { public static void main(String[] a) { System.out.println(\"hello\"); }\n\
    public Object handle(Object event) { return event; } }\n";

/// One line of the table.
struct Line {
    what: String,
    ours: String,
    floor: String,
    measured: f64,
    wanted: f64,
    /// A throughput is to be above, everything else below.
    is_rate: bool,
    unit: &'static str,
}

struct Bench {
    server: Server,
    runtimes: PathBuf,
    python: String,
    python_runtime: String,
    node: String,
    node_runtime: String,
    rounds: usize,
    crowd: usize,
    window: Duration,
    lines: Vec<Line>,
    scratch: tempfile::TempDir,
}

/// Measures and returns the table.
pub(crate) fn run_all(is_short: bool) -> Result<String> {
    let python = ask("python3", &["-c", "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])"])?;
    let (python, version) = python.split_once(' ').context("python3 did not tell its version")?;
    let node = ask("node", &["-p", "process.execPath + ' ' + process.versions.node.split('.')[0]"])?;
    let (node, major) = node.split_once(' ').context("node did not tell its version")?;
    let scratch = tempfile::tempdir()?;
    let runtimes =
        std::env::var_os("TINDRA_BENCH_RUNTIMES").map_or_else(|| scratch.path().join("runtimes"), PathBuf::from);
    let runtimes = std::path::absolute(runtimes)?;
    let mut bench = Bench {
        server: Server::start_with(&runtimes)?,
        runtimes,
        python: python.to_owned(),
        python_runtime: format!("python{version}"),
        node: node.to_owned(),
        node_runtime: format!("nodejs{major}.x"),
        rounds: if is_short { 3 } else { 25 },
        crowd: if is_short { 10 } else { CROWD },
        window: Duration::from_millis(if is_short { 300 } else { 3_000 }),
        lines: Vec::new(),
        scratch,
    };
    type Part = fn(&mut Bench) -> Result<()>;
    let parts: [(&str, Part); 9] = [
        ("hello-python: cold start", Bench::python),
        ("hello-sdk: cold start", Bench::sdk),
        ("hello-node: cold start", Bench::node),
        ("hello-java: cold start", Bench::java),
        ("hello-custom: cold start", Bench::custom_runtime),
        ("SnapStart restore", Bench::restore),
        ("hello-python: warm invokes", Bench::warm_python),
        ("hello-node: warm invokes", Bench::warm_node),
        ("memory of idle environments", Bench::memory),
    ];
    for (what, part) in parts {
        if let Err(error) = part(&mut bench) {
            bench.skip(what, &format!("{error:#}"));
        }
    }
    Ok(bench.table())
}

impl Bench {
    fn python(&mut self) -> Result<()> {
        let runtime = self.python_runtime.clone();
        let bare = [self.python.as_str(), "-I", "-S", "-c", "0"].map(str::to_owned);
        self.cold("hello-python", &runtime, "app.handler", zip("app.py", PYTHON)?, "python3 -I -S -c 0", &bare, 0.5)
    }

    fn sdk(&mut self) -> Result<()> {
        let runtime = self.python_runtime.clone();
        let source = format!("import sys; sys.path.insert(0, {:?}); import boto3", self.packages_of_the_sdk()?);
        let bare = [self.python.as_str(), "-B", "-c", &source].map(str::to_owned);
        self.cold(
            "hello-sdk",
            &runtime,
            "app.handler",
            zip("app.py", PYTHON_SDK)?,
            "python3 -c 'import boto3'",
            &bare,
            0.1,
        )
    }

    fn node(&mut self) -> Result<()> {
        let runtime = self.node_runtime.clone();
        let bare = [self.node.as_str(), "-e", "0"].map(str::to_owned);
        self.cold("hello-node", &runtime, "index.handler", zip("index.mjs", NODE)?, "node -e 0", &bare, 0.08)
    }

    fn java(&mut self) -> Result<()> {
        let Ok(version) = Command::new("java").arg("-version").output() else {
            bail!("no java here");
        };
        let version = String::from_utf8_lossy(&version.stderr).into_owned();
        let major =
            version.split('"').nth(1).and_then(|text| text.split('.').next()).context("java's version")?.to_owned();
        std::fs::write(self.scratch.path().join("Hello.java"), JAVA)?;
        let directory = self.scratch.path().display().to_string();
        run(&["javac", "-d", &directory, &format!("{directory}/Hello.java")].map(str::to_owned))?;
        let class = std::fs::read(self.scratch.path().join("Hello.class"))?;
        let java = std::fs::canonicalize(ask("which", &["java"])?)?.display().to_string();
        let bare = [java.as_str(), "-cp", &directory, "Hello"].map(str::to_owned);
        let code = zip_executable("Hello.class", &class)?;
        self.cold("hello-java", &format!("java{major}"), "Hello::handle", code, "java Hello", &bare, 0.5)
    }

    fn skip(&mut self, what: &str, why: &str) {
        eprintln!("NOT MEASURED: {what}: {why}");
        self.lines.push(Line {
            what: what.to_owned(),
            ours: format!("NOT MEASURED: {why}"),
            floor: String::new(),
            measured: f64::NAN,
            wanted: f64::NAN,
            is_rate: false,
            unit: "",
        });
    }

    /// Cold starts and bare starts in turn, so that drift of the machine hits both.
    #[expect(clippy::too_many_arguments, reason = "one line of the table")]
    fn cold(
        &mut self,
        name: &str,
        runtime: &str,
        handler: &str,
        code: String,
        floor: &str,
        bare: &[String],
        wanted: f64,
    ) -> Result<()> {
        eprintln!("measuring cold starts of {name}");
        self.server.prime(name, runtime, handler, code)?;
        std::thread::sleep(SETTLE);
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let (mut floors, mut ours) = (Vec::new(), Vec::new());
        for number in 0..self.rounds {
            floors.push(time(|| run(bare))?);
            self.server.make_cold(name, number)?;
            std::thread::sleep(PAUSE);
            let mut connection = http::Connection::open(self.server.address())?;
            ours.push(time(|| answer(&mut connection, &path, EVENT))?);
        }
        self.times(format!("{name}: cold start"), &Figures::of(ours), floor, &Figures::of(floors), wanted);
        Ok(())
    }

    fn times(&mut self, what: String, ours: &Figures, floor: &str, floors: &Figures, wanted: f64) {
        self.lines.push(Line {
            what,
            ours: format!("{:.2} ms (p90 {:.2})", ours.percentile_ms(50), ours.percentile_ms(90)),
            floor: format!("{floor}: {:.2} ms", floors.percentile_ms(50)),
            measured: ours.percentile_ms(50) / floors.percentile_ms(50),
            wanted,
            is_rate: false,
            unit: "×",
        });
    }

    /// This binary is the custom runtime, here and in the floor.
    fn custom_runtime(&mut self) -> Result<()> {
        eprintln!("measuring cold starts of a custom runtime");
        let name = "hello-custom";
        let binary = std::env::current_exe()?;
        self.server.prime(name, "provided.al2023", "any", zip_executable("bootstrap", &std::fs::read(&binary)?)?)?;
        std::thread::sleep(SETTLE);
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let (mut floors, mut ours) = (Vec::new(), Vec::new());
        for number in 0..self.rounds {
            let relay = relay::start()?.address();
            let started = Instant::now();
            let mut process = Command::new(&binary)
                .env_clear()
                .env("AWS_LAMBDA_RUNTIME_API", relay.to_string())
                .stdin(Stdio::null())
                .spawn()?;
            let called = http::Connection::open(relay)?.post("/invoke", EVENT);
            floors.push(started.elapsed());
            process.kill()?;
            process.wait()?;
            called?;
            self.server.make_cold(name, number)?;
            std::thread::sleep(PAUSE);
            let mut connection = http::Connection::open(self.server.address())?;
            ours.push(time(|| answer(&mut connection, &path, EVENT))?);
        }
        let (ours, floors) = (Figures::of(ours), Figures::of(floors));
        self.times(format!("{name}: cold start"), &ours, "bare exec on the relay", &floors, 1.15);
        Ok(())
    }

    fn restore(&mut self) -> Result<()> {
        let name = "restored";
        let runtime = "python3.12";
        if ask("python3.12", &["--version"]).is_err() && self.python_runtime != runtime {
            bail!("no Python 3.12 here");
        }
        eprintln!("measuring restores");
        self.server.deploy_with(
            name,
            runtime,
            "app.handler",
            &zip("app.py", PYTHON_SLOW)?,
            &json!({"SnapStart": {"ApplyOn": "PublishedVersions"}}),
        )?;
        let mut ours = Vec::new();
        for number in 0..self.rounds.min(10) {
            self.server.make_cold(name, number)?;
            let published = self.server.call("POST", &format!("/2015-03-31/functions/{name}/versions"), &json!({}))?;
            let version = published["Version"].as_str().context("the version's number")?.to_owned();
            self.server.wait_ready(&format!("{name}:{version}"))?;
            std::thread::sleep(SETTLE);
            let path = format!("/2015-03-31/functions/{name}/invocations?Qualifier={version}");
            let mut connection = http::Connection::open(self.server.address())?;
            ours.push(time(|| answer(&mut connection, &path, EVENT))?);
        }
        let ours = Figures::of(ours);
        self.lines.push(Line {
            what: "SnapStart restore of an init phase of 2 s: first invoke".to_owned(),
            ours: format!("{:.2} ms (p90 {:.2})", ours.percentile_ms(50), ours.percentile_ms(90)),
            floor: "2 s of init".to_owned(),
            measured: ours.percentile_ms(50),
            wanted: 10.0,
            is_rate: false,
            unit: " ms",
        });
        Ok(())
    }

    fn warm_python(&mut self) -> Result<()> {
        let runtime = self.python_runtime.clone();
        let interpreter = format!("/var/lang/bin/{runtime}");
        let command = [interpreter.as_str(), "/var/runtime/bootstrap.py"];
        self.warm_of("hello-python", &runtime, &command, "app.handler", ("app.py", PYTHON))
    }

    fn warm_node(&mut self) -> Result<()> {
        let runtime = self.node_runtime.clone();
        let command = ["/var/lang/bin/node", "--expose-gc", "/var/runtime/index.mjs"];
        self.warm_of("hello-node", &runtime, &command, "index.handler", ("index.mjs", NODE))
    }

    fn warm_of(
        &mut self,
        name: &str,
        runtime: &str,
        command: &[&str],
        handler: &str,
        (file, source): (&str, &str),
    ) -> Result<()> {
        eprintln!("measuring warm invokes of {name}");
        let code = self.scratch.path().join(name);
        std::fs::create_dir_all(&code)?;
        std::fs::write(code.join(file), source)?;
        let pack = relay::pack(&self.runtimes, runtime)?;
        let path = format!("/2015-03-31/functions/{name}/invocations");
        for callers in [1, 16, 64] {
            let start_floor = |count: usize| -> Result<(std::net::SocketAddr, Clients)> {
                let relay = relay::start()?;
                let clients = Clients::start(&pack, command, handler, &code, &relay, count)?;
                Ok((relay.address(), clients))
            };
            if callers == 1 {
                let (relay, _clients) = start_floor(1)?;
                let (mut ours, mut floors) = (Vec::new(), Vec::new());
                let (mut here, mut there) =
                    (http::Connection::open(self.server.address())?, http::Connection::open(relay)?);
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
                self.times(
                    format!("{name}: warm invoke, 1 connection"),
                    &Figures::of(ours),
                    "relay",
                    &Figures::of(floors),
                    1.25,
                );
                continue;
            }
            let ours = http::rate(self.server.address(), &path, EVENT, callers, self.window)?;
            let environments = self.server.environments_of(name)?;
            let (relay, _clients) = start_floor(environments)?;
            let floor = http::rate(relay, "/invoke", EVENT, callers, self.window)?;
            self.lines.push(Line {
                what: format!("{name}: invokes/s, {callers} connections, {environments} environments"),
                ours: format!("{ours:.0}/s"),
                floor: format!("relay with as many processes: {floor:.0}/s"),
                measured: ours / floor,
                wanted: 0.85,
                is_rate: true,
                unit: "×",
            });
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<()> {
        let crowd = self.crowd;
        let (python, node) = (self.python_runtime.clone(), self.node_runtime.clone());
        let cases = [
            ("crowd-python", python.as_str(), "app.handler", zip("app.py", PYTHON_WAIT)?, 2.5),
            ("crowd-sdk", python.as_str(), "app.handler", zip("app.py", PYTHON_SDK_WAIT)?, 4.0),
            ("crowd-node", node.as_str(), "index.handler", zip("index.mjs", NODE_WAIT)?, 10.0),
        ];
        for (name, runtime, handler, code, wanted) in cases {
            eprintln!("measuring the memory of {crowd} idle environments of {name}");
            // Of a server of its own, so that nothing else of it changes.
            let server = Server::start_with(&self.runtimes)?;
            server.prime(name, runtime, handler, code)?;
            let path = format!("/2015-03-31/functions/{name}/invocations");
            // One first, so that caches are filled and templates are there; then another one beside the crowd.
            answer(&mut http::Connection::open(server.address())?, &path, EVENT)?;
            std::thread::sleep(Duration::from_secs(3));
            let before = (available_mb()?, server.processes_kept()?);
            std::thread::scope(|scope| -> Result<()> {
                let callers: Vec<_> = (0..crowd)
                    .map(|_| scope.spawn(|| answer(&mut http::Connection::open(server.address())?, &path, EVENT)))
                    .collect();
                callers.into_iter().try_for_each(|caller| caller.join().expect("a caller does not panic"))
            })?;
            std::thread::sleep(Duration::from_secs(3));
            // Spares that were made meanwhile are as large, so they are counted.
            let (after, kept) = (available_mb()?, server.processes_kept()?);
            let added = kept - before.1;
            let each = (before.0 - after) / added;
            self.lines.push(Line {
                what: format!("{name}: memory of an idle environment ({added} more of them and of spares)"),
                ours: format!("{each:.2} MB of MemAvailable"),
                floor: String::new(),
                measured: each,
                wanted,
                is_rate: false,
                unit: " MB",
            });
        }
        Ok(())
    }

    /// Where the pack of the runtime has it.
    fn packages_of_the_sdk(&self) -> Result<String> {
        let version = self.python_runtime.trim_start_matches("python");
        self.server.prime("hello-python", &self.python_runtime, "app.handler", zip("app.py", PYTHON)?)?;
        let pack = relay::pack(&self.runtimes, &self.python_runtime)?;
        Ok(pack.join(format!("var/lang/lib/python{version}/site-packages")).display().to_string())
    }

    fn table(&self) -> String {
        let mut text = String::from("| what | ours | floor | ratio | wanted | |\n|---|---|---|---|---|---|\n");
        for line in &self.lines {
            let holds = if line.is_rate { line.measured >= line.wanted } else { line.measured <= line.wanted };
            let verdict = if line.measured.is_nan() {
                "not measured"
            } else if holds {
                "yes"
            } else {
                "NO"
            };
            let sign = if line.is_rate { "≥" } else { "≤" };
            let Line { what, ours, floor, measured, wanted, unit, .. } = line;
            writeln!(text, "| {what} | {ours} | {floor} | {measured:.3}{unit} | {sign} {wanted}{unit} | {verdict} |")
                .expect("writing to a String does not fail");
        }
        text
    }
}

fn available_mb() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:")).context("MemAvailable")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kib / 1024.0)
}

impl Server {
    /// Deploys a function unless it is there.
    fn prime(&self, name: &str, runtime: &str, handler: &str, code: String) -> Result<()> {
        let there = self.call("GET", &format!("/2015-03-31/functions/{name}/configuration"), &Value::Null);
        if there.is_err() {
            self.deploy_with(name, runtime, handler, &code, &json!({}))?;
        }
        Ok(())
    }

    /// The environments of a function.
    fn environments_of(&self, name: &str) -> Result<usize> {
        let all = self.call("GET", "/_tindra/environments", &Value::Null)?;
        let all = all["environments"].as_array().context("a list of environments")?;
        Ok(all.iter().filter(|environment| environment["function"] == name).count().max(1))
    }

    /// Environments and spares, of all functions.
    fn processes_kept(&self) -> Result<f64> {
        Ok(self.metric("tindra_environments")? + self.metric("tindra_spares")?)
    }

    /// The sum of a metric's series.
    fn metric(&self, name: &str) -> Result<f64> {
        let response = http::Connection::open(self.address())?.send("GET", "/metrics", b"")?;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let values =
            text.lines().filter(|line| line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}{{")));
        let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        let all: Vec<f64> = values.collect();
        if all.is_empty() {
            bail!("no metric {name}");
        }
        Ok(all.iter().sum())
    }
}
