//! Where the database is, as its operator wrote it, and whether the way there is encrypted.

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::chain;
use crate::StoreError;

/// For each host, unless the address has a `connect_timeout` of its own.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// After that a silent peer counts as gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Reads an address. What it leaves open is set here: bounds for every wait, and that only a writable server will do.
///
/// # Errors
/// When it is no address.
pub(super) fn parse(url: &str) -> Result<Config, StoreError> {
    let failed = |cause: String| StoreError::storage("read the address of the PostgreSQL store", cause);
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        failed(format!("{}; write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE", chain(&error)))
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(failed("it names no host; write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned()));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIME_MAX);
    }
    if config.get_application_name().is_none() {
        config.application_name("tindra");
    }
    // Of several hosts the one that takes writes is looked for; what a single one is, is said better when it has answered.
    if config.get_hosts().len().max(config.get_hostaddrs().len()) > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    config.tcp_user_timeout(SILENCE_MAX).keepalives_idle(SILENCE_MAX).keepalives_interval(Duration::from_secs(2));
    // "prefer" takes an unencrypted connection whenever somebody on the way wants it to. Within this machine that is
    // nobody; beyond it, who wants no encryption writes so.
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(if is_local(&config) { SslMode::Disable } else { SslMode::Require });
    }
    Ok(config)
}

fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        })
}

/// How connections are encrypted: the server's certificate has to be one that this machine trusts.
///
/// # Errors
/// When this machine's certificates cannot be used.
pub(super) fn encryption(config: &Config) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    if config.get_ssl_mode() == SslMode::Require {
        // Single files that cannot be read do not matter as long as others can.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let cause = "this machine trusts no certificate at all; install its package of certificates (ca-certificates), or name a file with SSL_CERT_FILE";
            return Err(StoreError::storage("prepare encrypted connections to PostgreSQL", cause));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::storage("prepare encrypted connections to PostgreSQL", error))?;
    Ok(MakeRustlsConnect::new(client.with_root_certificates(roots).with_no_client_auth()))
}

/// Hosts and database, without user and password, for logs and errors.
pub(super) fn shown(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .chain(config.get_hostaddrs().iter().map(ToString::to_string))
        .collect();
    format!("{} at {}", config.get_dbname().unwrap_or("the default database"), hosts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{SslMode, parse, shown};

    #[test]
    fn encryption_is_left_out_only_on_this_machine_or_when_asked() {
        for (url, mode) in [
            ("postgres://u@localhost/d", SslMode::Disable),
            ("postgres://u@127.0.0.1:5433/d", SslMode::Disable),
            ("postgres:///d?host=/run/postgresql", SslMode::Disable),
            ("postgres://u@database.example/d", SslMode::Require),
            ("postgres://u@localhost,database.example/d", SslMode::Require),
            ("postgres://u@localhost/d?sslmode=require", SslMode::Require),
            ("postgres://u@database.example/d?sslmode=disable", SslMode::Disable),
        ] {
            assert_eq!(parse(url).unwrap().get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let config = parse("postgres://u:secret@one,two/d").unwrap();
        assert_eq!(shown(&config), "d at one, two");
        for wrong in ["postgres://u:secret@h/d?sslmode=maybe", "secret", "postgres:///d"] {
            let error = parse(wrong).unwrap_err();
            let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
            assert!(text.contains("postgres://USER") && !text.contains("secret"), "{text}");
        }
    }
}
