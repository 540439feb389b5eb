//! The command line. The reference is made from these definitions.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tindra_server::{Auth, ClockKind, Settings};

use crate::endpoint::EndpointArguments;

/// AWS Lambda on your own machines: no Docker, no account.
#[derive(Debug, Parser)]
#[command(name = "tindra", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server for good
    Serve(Box<ServeArguments>),
    /// Run the functions of a folder while you work: server, deploy and test invokes in one command
    Dev(DevArguments),
    /// Deploy the functions of a folder to a server
    Deploy(DeployArguments),
    /// Invoke a function; its answer goes to stdout
    Invoke(InvokeArguments),
    /// Show what a function has logged
    Logs(LogsArguments),
    /// List the functions of a server
    List(ListArguments),
    /// Delete a function
    Delete(DeleteArguments),
    /// Show how a server is doing
    Status(StatusArguments),
    /// List the execution environments of a server, and the runtimes that wait for cold starts
    Environments(EnvironmentsArguments),
    /// Show what waits of asynchronous invokes, and make it due
    Queue(QueueArguments),
    /// Show which queues and streams a server reads for functions, and how far it is
    Sources(SourcesArguments),
    /// Look at and make runtimes on this machine
    Runtime(RuntimeArguments),
    /// Print the reference of all commands as Markdown
    #[command(hide = true, name = "print-reference")]
    Reference,
}

#[derive(Args, Debug, Default)]
pub(crate) struct ServeArguments {
    /// Address to listen on; port 0 takes a free one [env: TINDRA_LISTEN] [default: 127.0.0.1:4566]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Directory for everything that must survive [env: TINDRA_DATA] [default: /var/lib/tindra for root, else ~/.local/share/tindra]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Directory of the runtime packs [env: TINDRA_RUNTIMES] [default: `runtimes` in the data directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) runtimes: Option<PathBuf>,
    /// Where records and queues are kept: `sqlite`, in the data directory, or postgres://USER@HOST/DATABASE [env: TINDRA_STORE] [default: sqlite]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Who may be answered: anyone (only on loopback), or who signs with a known key [env: TINDRA_AUTH] [default: off]
    #[arg(long, value_enum)]
    pub(crate) auth: Option<AuthArgument>,
    /// Clock of retries and schedules: the machine's, or one that POST /_tindra/clock/advance moves, for tests [env: TINDRA_CLOCK] [default: system]
    #[arg(long, value_enum)]
    pub(crate) clock: Option<ClockArgument>,
    /// Account of requests that select none, twelve digits [env: TINDRA_ACCOUNT] [default: 000000000000]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// Region of requests that name none [env: TINDRA_REGION] [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Certificate chain (PEM); needs --tls-key [env: TINDRA_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key (PEM); needs --tls-cert [env: TINDRA_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve other machines even when a layer of the sandbox is missing
    #[arg(long)]
    pub(crate) allow_missing_layers: bool,
    /// Seconds for which a function's idle environment is kept until its habits are known, and, set alone, at most [env: TINDRA_IDLE_TIMEOUT_S] [default: 600]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_timeout_s: Option<u64>,
    /// Seconds for which an idle environment is kept at least [env: TINDRA_KEEP_WARM_MIN_S] [default: 5]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) keep_warm_min_s: Option<u64>,
    /// Seconds for which an idle environment is kept at most [env: TINDRA_KEEP_WARM_MAX_S] [default: 14400]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) keep_warm_max_s: Option<u64>,
    /// Memory meant for idle environments, in MiB [env: TINDRA_IDLE_MEMORY_MB] [default: a quarter of the machine's]
    #[arg(long, value_name = "MIB")]
    pub(crate) idle_memory_mb: Option<u64>,
    /// Seconds after its start from which on an idle environment is not used again [env: TINDRA_ENVIRONMENT_MAX_AGE_S] [default: 21600]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) environment_max_age_s: Option<u64>,
    /// Environments on this machine at once [env: TINDRA_ENVIRONMENTS_MAX] [default: 500]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) environments_max: Option<usize>,
    /// Runtimes kept waiting for cold starts, 0 for none [env: TINDRA_SPARES_MAX] [default: 100]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) spares_max: Option<usize>,
    /// Concurrent executions of one account in one region [env: TINDRA_ACCOUNT_CONCURRENCY] [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) account_concurrency: Option<u32>,
    /// Invokes that may arrive in a second for each that may run at once, 0 for no limit [env: TINDRA_REQUESTS_PER_S_PER_CONCURRENCY] [default: 10]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) requests_per_s_per_concurrency: Option<u32>,
    /// Environments that one function may have started in ten seconds [env: TINDRA_SCALING_ENVIRONMENTS] [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) scaling_environments: Option<u32>,
    /// Client connections at once [env: TINDRA_CONNECTIONS_MAX] [default: 12000]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) connections_max: Option<usize>,
    /// Seconds that running invokes get when the server is asked to stop [env: TINDRA_GRACE_PERIOD_S] [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) grace_period_s: Option<u64>,
    /// TOML file with the same settings and more [env: TINDRA_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl ServeArguments {
    /// The flags as one source of settings.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            listen: self.listen.clone(),
            data: self.data.clone(),
            runtimes: self.runtimes.clone(),
            store: self.store.clone(),
            auth: self.auth.map(Into::into),
            clock: self.clock.map(Into::into),
            account: self.account.clone(),
            region: self.region.clone(),
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            allow_missing_layers: self.allow_missing_layers.then_some(true),
            idle_timeout_s: self.idle_timeout_s,
            keep_warm_min_s: self.keep_warm_min_s,
            keep_warm_max_s: self.keep_warm_max_s,
            idle_memory_mb: self.idle_memory_mb,
            environment_max_age_s: self.environment_max_age_s,
            environments_max: self.environments_max,
            spares_max: self.spares_max,
            account_concurrency: self.account_concurrency,
            requests_per_s_per_concurrency: self.requests_per_s_per_concurrency,
            scaling_environments: self.scaling_environments,
            connections_max: self.connections_max,
            grace_period_s: self.grace_period_s,
            ..Settings::default()
        }
    }
}

/// Values of `--auth`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AuthArgument {
    /// Anyone who can reach the address, with any key
    Off,
    /// Whoever signs with a key that the server knows
    Sigv4,
}

impl From<AuthArgument> for Auth {
    fn from(argument: AuthArgument) -> Self {
        match argument {
            AuthArgument::Off => Self::Off,
            AuthArgument::Sigv4 => Self::SigV4,
        }
    }
}

/// Values of `--clock`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ClockArgument {
    /// The machine's
    System,
    /// Stands still until it is moved
    Manual,
}

impl From<ClockArgument> for ClockKind {
    fn from(argument: ClockArgument) -> Self {
        match argument {
            ClockArgument::System => Self::System,
            ClockArgument::Manual => Self::Manual,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct DevArguments {
    /// Folder with a function, with folders of functions, or with a tindra.toml
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Address to listen on [env: TINDRA_LISTEN] [default: 127.0.0.1:4566, or a free port when that is taken]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Directory of the runtime packs, kept for the next time [env: TINDRA_RUNTIMES]
    #[arg(long, value_name = "DIR")]
    pub(crate) runtimes: Option<PathBuf>,
    /// Clock of retries and schedules: the machine's, or one that POST /_tindra/clock/advance moves, for tests [env: TINDRA_CLOCK] [default: system]
    #[arg(long, value_enum)]
    pub(crate) clock: Option<ClockArgument>,
    /// Speak HTTPS, with a certificate that this command makes and whose authority it names
    #[arg(long)]
    pub(crate) tls: bool,
    /// End after the test invokes
    #[arg(long)]
    pub(crate) once: bool,
    /// TOML file with the settings of `tindra serve` [env: TINDRA_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct DeployArguments {
    /// Folder with a function, with folders of functions, or with a tindra.toml
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Print the functions' configurations as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct InvokeArguments {
    /// Name or ARN of the function
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The event: JSON, @FILE, or - for stdin
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    pub(crate) payload: Option<String>,
    /// The tenant whom the event is for, of a function that isolates tenants
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant_id: Option<String>,
    /// Show the last 4 KB of the log on stderr
    #[arg(long)]
    pub(crate) log: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct LogsArguments {
    /// Name of the function
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Go on with new lines until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only lines of this last time, for example 30s, 10m, 2h, 1d [default: all; 10m with --follow]
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Print each event as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Print the functions' configurations as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArguments {
    /// Name or ARN of the function
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    /// Print what the server says as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct QueueArguments {
    /// The events and deliveries of the function with this name, one by one
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Make what waits of the function due now
    #[arg(long, requires = "name")]
    pub(crate) redrive: bool,
    /// With --redrive: only the one with this id
    #[arg(long, value_name = "ID", requires = "redrive")]
    pub(crate) id: Option<String>,
    /// Print what the server says as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct SourcesArguments {
    /// Only those of the function with this name
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print what the server says as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct EnvironmentsArguments {
    /// Only those of the function with this name
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print them as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
}

#[derive(Args, Debug)]
pub(crate) struct RuntimeArguments {
    #[command(subcommand)]
    pub(crate) command: RuntimeCommand,
}

/// What to do with runtimes.
#[derive(Debug, Subcommand)]
pub(crate) enum RuntimeCommand {
    /// List the runtimes that are ready, and those that could be made
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RuntimePlace,
    },
    /// Make a runtime ready: from an interpreter of this machine, with AWS's runtime client and SDK
    Install {
        /// For example python3.12 or nodejs22.x
        #[arg(value_name = "RUNTIME")]
        runtime: String,
        /// The interpreter to take; default: the best that is found
        #[arg(long, value_name = "PATH")]
        from_host: Option<PathBuf>,
        #[command(flatten)]
        place: RuntimePlace,
    },
}

/// Where runtime packs are; the same settings as those of `serve`.
#[derive(Args, Debug, Default)]
pub(crate) struct RuntimePlace {
    /// The server's data directory [env: TINDRA_DATA]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Directory of the runtime packs [env: TINDRA_RUNTIMES] [default: `runtimes` in the data directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) runtimes: Option<PathBuf>,
    /// The server's TOML file [env: TINDRA_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Arguments::try_parse_from(line.split(' ')).map(|arguments| arguments.command)
    }

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_takes_every_flag_of_its_contract() {
        let line = "tindra serve --listen 0.0.0.0:80 --data /d --store sqlite --auth sigv4 --account 123456789012 \
                    --tls-cert c --tls-key k --config f";
        let Ok(Command::Serve(serve)) = parse(&line.split_whitespace().collect::<Vec<_>>().join(" ")) else {
            panic!("not understood")
        };
        let settings = serve.settings();
        assert_eq!(settings.listen.as_deref(), Some("0.0.0.0:80"));
        assert_eq!(settings.auth, Some(Auth::SigV4));
        assert_eq!((settings.tls_cert, settings.tls_key), (Some("c".into()), Some("k".into())));
        assert_eq!(serve.config, Some("f".into()));
    }

    #[test]
    fn commands_and_their_short_forms_are_understood() {
        assert!(matches!(parse("tindra logs -f x --since 5m"), Ok(Command::Logs(LogsArguments { follow: true, .. }))));
        assert!(matches!(parse("tindra delete x -y"), Ok(Command::Delete(DeleteArguments { yes: true, .. }))));
        assert!(matches!(parse("tindra invoke x --payload -"), Ok(Command::Invoke(_))));
        assert!(matches!(parse("tindra dev"), Ok(Command::Dev(DevArguments { once: false, .. }))));
        assert!(parse("tindra runtime install python3.12 --from-host /usr/bin/python3").is_ok());
        assert_eq!(parse("tindra no-such-command").unwrap_err().exit_code(), 2);
    }
}
