//! From what the sources say to what holds: defaults, parsing, and the rules that join settings.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use tindra_core::limits;

use super::source::Layers;
use super::{
    ACCOUNT_DEFAULT, Auth, CONNECTIONS_MAX_DEFAULT, ClockKind, Config, ConfigError, ENVIRONMENT_MAX_AGE_S_DEFAULT,
    ENVIRONMENTS_MAX_DEFAULT, Egress, GRACE_PERIOD_S_DEFAULT, LISTEN_DEFAULT, Mode, REGION_DEFAULT, SPARES_MAX_DEFAULT,
    SecurityGroup, StoreKind, Subnet, TlsFiles,
};

mod brokers;
mod domains;
mod keep_warm;
mod listener_rules;
mod outside;
mod services;
mod sns_ingress;

const DNS_PORT: u16 = 53;

/// Joins the sources and checks every setting, in the order in which an operator would fix them.
pub(super) fn check(
    mode: Mode,
    layers: &Layers,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let store = store(layers)?;
    let listen = listen(layers)?;
    let auth = auth(layers, listen)?;
    let clock = clock(layers, auth)?;
    let data = data(layers, variable)?;
    let runtimes = layers.pick("runtimes", |settings| &settings.runtimes).0.unwrap_or_else(|| data.join("runtimes"));
    let keep_warm = keep_warm::keep_warm(layers)?;
    let tls = tls(layers)?;
    Ok(Config {
        mode,
        listen,
        runtimes,
        store,
        auth,
        clock,
        account: account(layers)?,
        region: region(layers)?,
        domains: domains::domains(layers, tls.is_some())?,
        listener_rules: listener_rules::listener_rules(layers)?,
        sns_ingress: sns_ingress::sns_ingress(layers)?,
        brokers: brokers::brokers(layers)?,
        secrets: brokers::secrets(layers, variable)?,
        tls,
        allow_missing_layers: layers
            .pick("allow_missing_layers", |settings| &settings.allow_missing_layers)
            .0
            .unwrap_or(false),
        access_keys: access_keys(layers)?,
        egress: layers.pick("egress", |settings| &settings.egress).0.unwrap_or(Egress::Public),
        egress_allow: networks("egress_allow", layers.pick("egress_allow", |settings| &settings.egress_allow))?,
        egress_deny: networks("egress_deny", layers.pick("egress_deny", |settings| &settings.egress_deny))?,
        dns_upstreams: dns_upstreams(layers)?,
        subnets: subnets(layers)?,
        security_groups: security_groups(layers)?,
        outside: outside::outside(layers, variable)?,
        disabled_services: services::disabled(layers)?,
        hosts: layers.pick("hosts", |settings| &settings.hosts).0.unwrap_or_default(),
        idle_timeout: keep_warm.standard,
        keep_warm_min: keep_warm.min,
        keep_warm_max: keep_warm.max,
        idle_memory_bytes: layers
            .pick("idle_memory_mb", |settings| &settings.idle_memory_mb)
            .0
            .map(|mib| mib.saturating_mul(1 << 20)),
        environment_age_max: Duration::from_secs(at_least_one(
            "environment_max_age_s",
            layers.pick("environment_max_age_s", |settings| &settings.environment_max_age_s),
            ENVIRONMENT_MAX_AGE_S_DEFAULT,
        )?),
        environments_max: at_least_one(
            "environments_max",
            layers.pick("environments_max", |settings| &settings.environments_max),
            ENVIRONMENTS_MAX_DEFAULT,
        )?,
        spares_max: layers.pick("spares_max", |settings| &settings.spares_max).0.unwrap_or(SPARES_MAX_DEFAULT),
        account_concurrency: at_least_one(
            "account_concurrency",
            layers.pick("account_concurrency", |settings| &settings.account_concurrency),
            limits::CONCURRENT_EXECUTIONS_DEFAULT,
        )?,
        requests_per_s_per_concurrency: layers
            .pick("requests_per_s_per_concurrency", |settings| &settings.requests_per_s_per_concurrency)
            .0
            .unwrap_or(limits::REQUESTS_PER_S_PER_CONCURRENCY),
        scaling_environments: at_least_one(
            "scaling_environments",
            layers.pick("scaling_environments", |settings| &settings.scaling_environments),
            limits::SCALING_ENVIRONMENTS_DEFAULT,
        )?,
        connections_max: at_least_one(
            "connections_max",
            layers.pick("connections_max", |settings| &settings.connections_max),
            CONNECTIONS_MAX_DEFAULT,
        )?,
        grace_period: Duration::from_secs(
            layers.pick("grace_period_s", |settings| &settings.grace_period_s).0.unwrap_or(GRACE_PERIOD_S_DEFAULT),
        ),
        data,
    })
}

fn invalid(
    setting: &'static str,
    origin: String,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> ConfigError {
    ConfigError::Invalid { setting, origin, problem: problem.into(), remedy: remedy.into() }
}

fn store(layers: &Layers) -> Result<StoreKind, ConfigError> {
    match layers.pick("store", |settings| &settings.store) {
        (None, _) => Ok(StoreKind::Sqlite),
        (Some(store), _) if store == "sqlite" => Ok(StoreKind::Sqlite),
        (Some(url), _) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Ok(StoreKind::Postgres(url))
        }
        (Some(store), origin) => {
            let scheme = store.split("://").next().unwrap_or_default().to_owned();
            Err(invalid(
                "store",
                origin,
                format!("asks for {scheme}, which this version does not have"),
                "leave it out: state is kept in SQLite inside the data directory (--data); or write postgres://USER@HOST/DATABASE",
            ))
        }
    }
}

/// A clock that anybody may move is for a server that only this machine's programs reach.
fn clock(layers: &Layers, auth: Auth) -> Result<ClockKind, ConfigError> {
    match layers.pick("clock", |settings| &settings.clock) {
        (Some(ClockKind::Manual), origin) if auth != Auth::Off => Err(invalid(
            "clock",
            origin,
            "is manual, which is for tests and needs auth off",
            "leave it out, or use auth off on a loopback address",
        )),
        (kind, _) => Ok(kind.unwrap_or_default()),
    }
}

fn listen(layers: &Layers) -> Result<SocketAddr, ConfigError> {
    let (value, origin) = layers.pick("listen", |settings| &settings.listen);
    let value = value.unwrap_or_else(|| LISTEN_DEFAULT.to_owned());
    let remedy = "write HOST:PORT, for example 127.0.0.1:4566";
    let addresses = value
        .to_socket_addrs()
        .map_err(|error| invalid("listen", origin.clone(), format!("is \"{value}\": {error}"), remedy))?;
    // `localhost` has an IPv4 and an IPv6 address; most clients try IPv4 first.
    let addresses: Vec<SocketAddr> = addresses.collect();
    addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| addresses.first())
        .copied()
        .ok_or_else(|| invalid("listen", origin, format!("is \"{value}\", which has no address"), remedy))
}

fn auth(layers: &Layers, listen: SocketAddr) -> Result<Auth, ConfigError> {
    let (auth, origin) = layers.pick("auth", |settings| &settings.auth);
    let auth = auth.unwrap_or(Auth::Off);
    if auth == Auth::Off && !listen.ip().is_loopback() {
        return Err(invalid(
            "auth",
            origin,
            format!("is off, and {listen} can be reached from other machines"),
            "use --auth sigv4, or listen on a loopback address such as 127.0.0.1:4566",
        ));
    }
    Ok(auth)
}

fn data(layers: &Layers, variable: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, ConfigError> {
    let (data, origin) = layers.pick("data", |settings| &settings.data);
    let data = match data {
        Some(data) => data,
        None if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/tindra"),
        None => variable("XDG_DATA_HOME")
            .filter(|value| value.starts_with('/'))
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/share")))
            .ok_or_else(|| invalid("data", origin.clone(), "has no default without HOME", "give --data DIR"))?
            .join("tindra"),
    };
    std::path::absolute(&data)
        .map_err(|error| invalid("data", origin, format!("is \"{}\": {error}", data.display()), "give --data DIR"))
}

/// True for the twelve digits of an account.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn account(layers: &Layers) -> Result<String, ConfigError> {
    let (account, origin) = layers.pick("account", |settings| &settings.account);
    let account = account.unwrap_or_else(|| ACCOUNT_DEFAULT.to_owned());
    if !is_account(&account) {
        return Err(invalid(
            "account",
            origin,
            format!("is \"{account}\""),
            "an account is twelve digits, for example 000000000000",
        ));
    }
    Ok(account)
}

/// True for what may stand as a region in an ARN and in a key of the store.
pub(crate) fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn region(layers: &Layers) -> Result<String, ConfigError> {
    let (region, origin) = layers.pick("region", |settings| &settings.region);
    let region = region.unwrap_or_else(|| REGION_DEFAULT.to_owned());
    if !is_region(&region) {
        return Err(invalid(
            "region",
            origin,
            format!("is \"{region}\""),
            "a region is like us-east-1: lower-case letters, digits and hyphens",
        ));
    }
    Ok(region)
}

fn tls(layers: &Layers) -> Result<Option<TlsFiles>, ConfigError> {
    let (certificate, certificate_origin) = layers.pick("tls_cert", |settings| &settings.tls_cert);
    let (key, key_origin) = layers.pick("tls_key", |settings| &settings.tls_key);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(invalid("tls_cert", certificate_origin, "comes without a key", "give --tls-key FILE too"))
        }
        (None, Some(_)) => {
            Err(invalid("tls_key", key_origin, "comes without a certificate", "give --tls-cert FILE too"))
        }
    }
}

fn access_keys(layers: &Layers) -> Result<Vec<super::AccessKey>, ConfigError> {
    let (keys, origin) = layers.pick("access_keys", |settings| &settings.access_keys);
    let keys = keys.unwrap_or_default();
    for key in &keys {
        let is_id = (16..=128).contains(&key.access_key_id.len())
            && key.access_key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_id {
            return Err(invalid(
                "access_keys",
                origin,
                format!("has the id \"{}\"", key.access_key_id),
                "an id is 16 to 128 letters and digits, for example AKIAIOSFODNN7EXAMPLE",
            ));
        }
        if key.secret_access_key.len() < 16 {
            return Err(invalid(
                "access_keys",
                origin,
                format!("has a secret of under 16 characters for {}", key.access_key_id),
                "use a long random secret",
            ));
        }
        if key.account.as_deref().is_some_and(|account| !is_account(account)) {
            return Err(invalid(
                "access_keys",
                origin,
                format!("has a wrong account for {}", key.access_key_id),
                "an account is twelve digits",
            ));
        }
    }
    Ok(keys)
}

fn networks(
    setting: &'static str,
    (networks, origin): (Option<Vec<String>>, String),
) -> Result<Vec<String>, ConfigError> {
    let networks = networks.unwrap_or_default();
    match networks.iter().find(|network| !is_network(network)) {
        Some(network) => Err(invalid(
            setting,
            origin,
            format!("has \"{network}\", which is not a network"),
            "write ADDRESS/BITS, for example 10.0.0.0/8",
        )),
        None => Ok(networks),
    }
}

fn is_network(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    match (address.parse::<IpAddr>(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        _ => false,
    }
}

fn subnets(layers: &Layers) -> Result<Vec<Subnet>, ConfigError> {
    let (subnets, origin) = layers.pick("subnets", |settings| &settings.subnets);
    let subnets = subnets.unwrap_or_default();
    check_ids("subnets", &origin, "subnet-", subnets.iter().map(|subnet| (subnet.id.as_str(), subnet.vpc.as_str())))?;
    let networks = subnets.iter().flat_map(|subnet| subnet.networks.iter());
    check_members("subnets", &origin, networks)?;
    Ok(subnets)
}

fn security_groups(layers: &Layers) -> Result<Vec<SecurityGroup>, ConfigError> {
    let (groups, origin) = layers.pick("security_groups", |settings| &settings.security_groups);
    let groups = groups.unwrap_or_default();
    check_ids("security_groups", &origin, "sg-", groups.iter().map(|group| (group.id.as_str(), group.vpc.as_str())))?;
    let rules = || groups.iter().flat_map(|group| &group.egress);
    check_members("security_groups", &origin, rules().map(|rule| &rule.network))?;
    match rules().find(|rule| rule.port_range().is_none()) {
        Some(rule) => Err(invalid(
            "security_groups",
            origin,
            format!("has the ports \"{}\"", rule.ports.as_deref().unwrap_or_default()),
            "write one port, for example \"5432\", or the first and the last, for example \"5000-5010\"",
        )),
        None => Ok(groups),
    }
}

/// Ids begin as AWS's do and are given once.
fn check_ids<'a>(
    setting: &'static str,
    origin: &str,
    prefix: &str,
    ids: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), ConfigError> {
    let is_id = |id: &str, prefix: &str| {
        let rest = id.strip_prefix(prefix).unwrap_or_default();
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let mut known = std::collections::HashSet::new();
    for (id, vpc) in ids {
        if !is_id(id, prefix) || !is_id(vpc, "vpc-") {
            return Err(invalid(
                setting,
                origin.to_owned(),
                format!("has the id \"{id}\" in \"{vpc}\""),
                format!("write {prefix}NAME and vpc-NAME with small letters, digits and hyphens"),
            ));
        }
        if !known.insert(id) {
            return Err(invalid(setting, origin.to_owned(), format!("has {id} twice"), "give each its own id"));
        }
    }
    Ok(())
}

fn check_members<'a>(
    setting: &'static str,
    origin: &str,
    mut networks: impl Iterator<Item = &'a String>,
) -> Result<(), ConfigError> {
    match networks.find(|network| !is_network(network)) {
        Some(network) => Err(invalid(
            setting,
            origin.to_owned(),
            format!("has \"{network}\", which is not a network"),
            "write ADDRESS/BITS, for example 10.0.0.0/8",
        )),
        None => Ok(()),
    }
}

fn dns_upstreams(layers: &Layers) -> Result<Vec<SocketAddr>, ConfigError> {
    let (upstreams, origin) = layers.pick("dns_upstreams", |settings| &settings.dns_upstreams);
    let parse = |text: &String| {
        text.parse::<SocketAddr>().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT))).map_err(
            |_| {
                invalid(
                    "dns_upstreams",
                    origin.clone(),
                    format!("has \"{text}\""),
                    "write an address with or without a port, for example 9.9.9.9 or 9.9.9.9:53",
                )
            },
        )
    };
    upstreams.unwrap_or_default().iter().map(parse).collect()
}

fn at_least_one<T: PartialEq + From<u8>>(
    setting: &'static str,
    (value, origin): (Option<T>, String),
    default: T,
) -> Result<T, ConfigError> {
    match value {
        Some(value) if value == T::from(0) => Err(invalid(setting, origin, "is 0", "use at least 1")),
        Some(value) => Ok(value),
        None => Ok(default),
    }
}
