//! The configuration as operators write it: which source wins, and what is said about a wrong one.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::time::Duration;

use tindra_outside::Endpoint;
use tindra_server::config::{
    Auth, BrokerPlace, ClockKind, Config, ConfigError, DomainTarget, Egress, Mode, OutsideAccess, SecretPlace, Settings,
};

fn load(flags: Settings, variables: &[(&str, &str)], file: Option<&str>) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tindra.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let variable = |name: &str| {
        let mut variables = variables.iter().chain(&[("HOME", "/home/somebody")]);
        variables.find(|(candidate, _)| *candidate == name).map(|(_, value)| (*value).to_owned())
    };
    Config::load_with(Mode::Serve, flags, file.map(|_| path.as_path()), &variable)
}

fn listen(address: &str) -> Settings {
    Settings { listen: Some(address.to_owned()), ..Settings::default() }
}

#[test]
fn defaults() {
    let config = load(Settings::default(), &[("XDG_DATA_HOME", "/xdg")], None).unwrap();
    assert_eq!(config.listen, "127.0.0.1:4566".parse().unwrap());
    assert_eq!(
        (config.auth, config.account.as_str(), config.region.as_str()),
        (Auth::Off, "000000000000", "us-east-1")
    );
    assert_eq!((config.idle_timeout, config.account_concurrency), (Duration::from_secs(600), 1000));
    assert_eq!((config.keep_warm_min, config.keep_warm_max), (Duration::from_secs(5), Duration::from_secs(14_400)));
    assert_eq!((config.idle_memory_bytes, config.environment_age_max), (None, Duration::from_secs(21_600)));
    let expected = if rustix::process::geteuid().is_root() { "/var/lib/tindra" } else { "/xdg/tindra" };
    assert_eq!(config.data, PathBuf::from(expected));
    assert_eq!(config.runtimes, config.data.join("runtimes"));
    assert!(config.tls.is_none());
}

#[test]
fn flags_win_over_environment_over_file() {
    let file = "listen = \"127.0.0.1:1\"\naccount = \"111111111111\"\nregion = \"eu-west-1\"\n";
    let variables = [("TINDRA_LISTEN", "127.0.0.1:2"), ("TINDRA_ACCOUNT", "222222222222")];
    let config = load(listen("127.0.0.1:3"), &variables, Some(file)).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.account, "222222222222");
    assert_eq!(config.region, "eu-west-1");
}

#[test]
fn a_file_with_everything() {
    let file = r#"
        listen = "localhost:0"
        data = "/data"
        runtimes = "/runtimes"
        store = "sqlite"
        auth = "sigv4"
        tls_cert = "/cert.pem"
        tls_key = "/key.pem"
        egress = "deny"
        egress_allow = ["10.1.0.0/16"]
        egress_deny = ["8.8.8.8"]
        dns_upstreams = ["9.9.9.9", "1.1.1.1:5353"]
        idle_timeout_s = 5
        environments_max = 7
        account_concurrency = 9
        requests_per_s_per_concurrency = 0
        scaling_environments = 12
        connections_max = 11
        disabled_services = ["s3", "events"]
        grace_period_s = 0
        [hosts]
        "db.internal" = "10.1.2.3"
        [[access_keys]]
        access_key_id = "AKIAIOSFODNN7EXAMPLE"
        secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
        account = "123456789012"
    "#;
    let config = load(Settings::default(), &[], Some(file)).unwrap();
    assert_eq!(config.listen, "127.0.0.1:0".parse().unwrap());
    assert_eq!(config.dns_upstreams, ["9.9.9.9:53".parse().unwrap(), "1.1.1.1:5353".parse().unwrap()]);
    assert_eq!(config.hosts["db.internal"].to_string(), "10.1.2.3");
    assert_eq!(config.access_keys[0].account.as_deref(), Some("123456789012"));
    assert!(!format!("{config:?}").contains("wJalr"), "secrets stay out of logs");
    assert_eq!(config.tls.unwrap().key, PathBuf::from("/key.pem"));
    assert_eq!((config.egress, config.egress_deny[0].as_str()), (Egress::Deny, "8.8.8.8"));
    assert_eq!((config.environments_max, config.connections_max), (7, 11));
    assert_eq!((config.requests_per_s_per_concurrency, config.scaling_environments), (0, 12));
    assert_eq!(config.grace_period, Duration::ZERO);
    assert_eq!(config.disabled_services.into_iter().collect::<Vec<_>>(), ["events", "s3"]);
}

#[test]
fn keep_warm_settings_bound_each_other() {
    let kept = |text: &str| {
        let config = load(Settings::default(), &[], Some(text)).unwrap();
        [config.keep_warm_min, config.idle_timeout, config.keep_warm_max].map(|time| time.as_secs())
    };
    assert_eq!(kept("idle_timeout_s = 1"), [1, 1, 1]);
    assert_eq!(kept("idle_timeout_s = 60"), [5, 60, 60]);
    assert_eq!(kept("idle_timeout_s = 60\nkeep_warm_max_s = 90"), [5, 60, 90]);
    assert_eq!(kept("keep_warm_max_s = 3"), [3, 3, 3]);
    assert_eq!(kept("keep_warm_min_s = 20000"), [20_000, 20_000, 20_000]);
    assert_eq!(kept("keep_warm_min_s = 0\nidle_timeout_s = 60"), [0, 60, 60]);
    let memory = load(Settings::default(), &[("TINDRA_IDLE_MEMORY_MB", "3")], None).unwrap();
    assert_eq!(memory.idle_memory_bytes, Some(3 << 20));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_remedy() {
    let auth = |auth| Settings { auth: Some(auth), ..listen("0.0.0.0:4566") };
    assert!(load(auth(Auth::SigV4), &[], None).is_ok());
    let store = Settings { store: Some("mysql://user:secret@db/tindra".into()), ..Settings::default() };
    let postgres = Settings { store: Some("postgres://user:secret@db/tindra".into()), ..Settings::default() };
    let shown = format!("{:?}", load(postgres, &[], None).unwrap());
    assert!(shown.contains("store: Postgres") && !shown.contains("user:secret"), "{shown}");
    let certificate = Settings { tls_cert: Some("/cert.pem".into()), ..Settings::default() };
    for (flags, variables, file, parts) in [
        (auth(Auth::Off), &[][..], None, &["auth (--auth)", "is off", "0.0.0.0:4566", "--auth sigv4", "127.0.0.1"][..]),
        (listen("[::]:4566"), &[], None, &["auth (default)", "is off", "--auth sigv4"]),
        (listen("4566"), &[], None, &["listen (--listen)", "\"4566\"", "HOST:PORT"]),
        (store, &[], None, &["store (--store)", "mysql", "SQLite", "--data", "postgres://"]),
        (certificate, &[], None, &["tls_cert (--tls-cert)", "--tls-key"]),
        (Settings::default(), &[("TINDRA_ACCOUNT", "12")], None, &["account (TINDRA_ACCOUNT)", "twelve digits"]),
        (Settings::default(), &[("TINDRA_AUTH", "none")], None, &["auth (TINDRA_AUTH)", "\"none\"", "sigv4"]),
        (Settings::default(), &[("TINDRA_CONNECTIONS_MAX", "many")], None, &["TINDRA_CONNECTIONS_MAX", "whole number"]),
        (Settings::default(), &[], Some("region = \"../x\""), &["region (in ", "tindra.toml)", "us-east-1"]),
        (Settings::default(), &[], Some("idle_timeout_s = 9\nkeep_warm_max_s = 8"), &["idle_timeout_s (in ", "5 to 8"]),
        (Settings::default(), &[], Some("keep_warm_min_s = 9\nkeep_warm_max_s = 8"), &["keep_warm_min_s (in ", "is 9"]),
        (Settings::default(), &[], Some("environment_max_age_s = 0"), &["environment_max_age_s (in ", "is 0"]),
        (
            Settings::default(),
            &[],
            Some("disabled_services = [\"sqss\"]"),
            &["disabled_services (in ", "\"sqss\"", "sqs, sns"],
        ),
        (Settings::default(), &[], Some("environments_max = 0"), &["environments_max (in ", "is 0"]),
        (Settings::default(), &[], Some("egress_allow = [\"10.0.0.0/33\"]"), &["egress_allow", "10.0.0.0/33"]),
        (Settings::default(), &[], Some("dns_upstreams = [\"dns.example\"]"), &["dns_upstreams", "dns.example"]),
        (Settings::default(), &[], Some("s3_endpoint = \"s3.local\""), &["s3_endpoint (in ", "s3.local", "http://"]),
        (Settings::default(), &[("AWS_ENDPOINT_URL_S3", "http://s3/path")], None, &["AWS_ENDPOINT_URL_S3", "a path"]),
        (
            Settings::default(),
            &[],
            Some("sqs_endpoint = \"jobs\""),
            &["sqs_endpoint (in ", "jobs", "https://sqs.eu-west-1"],
        ),
        (Settings::default(), &[("TINDRA_CLOCK", "sun")], None, &["clock (TINDRA_CLOCK)", "\"sun\"", "manual"]),
        (
            Settings { clock: Some(ClockKind::Manual), ..auth(Auth::SigV4) },
            &[],
            None,
            &["clock (--clock)", "is manual", "auth off"],
        ),
        (Settings::default(), &[], Some("lisen = \"x\""), &["tindra.toml", "unknown field `lisen`", "listen"]),
        (Settings::default(), &[], Some("listen = 5"), &["tindra.toml", "line 1", "expected a string"]),
    ] {
        let error = load(flags, variables, file).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}\n{source}\nhint: {}", error.remedy());
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert!(!text.contains("secret@"), "{text}");
    }
}

#[test]
fn the_endpoint_of_the_file_wins_and_keys_come_in_pairs() {
    type Pick = fn(OutsideAccess) -> Option<Endpoint>;
    let services: [(&str, &str, Pick); 6] = [
        ("s3_endpoint", "AWS_ENDPOINT_URL_S3", |outside| outside.s3),
        ("sqs_endpoint", "AWS_ENDPOINT_URL_SQS", |outside| outside.sqs),
        ("sns_endpoint", "AWS_ENDPOINT_URL_SNS", |outside| outside.sns),
        ("eventbridge_endpoint", "AWS_ENDPOINT_URL_EVENTBRIDGE", |outside| outside.eventbridge),
        ("kinesis_endpoint", "AWS_ENDPOINT_URL_KINESIS", |outside| outside.kinesis),
        ("dynamodb_streams_endpoint", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS", |outside| outside.dynamodb_streams),
    ];
    for (setting, variable, endpoint) in services {
        let variables = [(variable, "https://outside.local/"), ("AWS_ACCESS_KEY_ID", "key")];
        let of_environment = load(Settings::default(), &variables, None).unwrap().outside;
        assert!(of_environment.keys.is_none(), "half a pair of keys signs nothing");
        assert_eq!(endpoint(of_environment).unwrap().url(), "https://outside.local");
        let variables = [variables[0], variables[1], ("AWS_SECRET_ACCESS_KEY", "secret")];
        let file = format!("{setting} = \"http://127.0.0.1:9000\"");
        let config = load(Settings::default(), &variables, Some(&file)).unwrap();
        assert!(!format!("{config:?}").contains("secret\""), "secrets stay out of logs");
        assert!(config.outside.keys.is_some());
        assert_eq!(endpoint(config.outside).unwrap().url(), "http://127.0.0.1:9000");
        let emptied = load(Settings::default(), &variables, Some(&format!("{setting} = \"\""))).unwrap();
        assert!(endpoint(emptied.outside).is_none(), "an empty one is none, whatever the variable says");
        let nothing = load(Settings::default(), &[("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")], None).unwrap();
        assert!(endpoint(nothing.outside).is_none(), "that variable points clients at this server");
        let error = load(Settings::default(), &[(variable, "http://h/path")], None).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{setting} ({variable}) is \"http://h/path\"")), "{error}");
        let error = load(Settings::default(), &[(variable, "http://key:secret@h")], None).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_missing_file_is_an_error() {
    let error = Config::load_with(Mode::Serve, Settings::default(), Some("/nowhere/x.toml".as_ref()), &|_| None);
    assert!(error.unwrap_err().to_string().contains("/nowhere/x.toml"));
}

#[test]
fn custom_domains() {
    let file = r#"
        tls_cert = "/cert.pem"
        tls_key = "/key.pem"
        [[domains]]
        name = "API.example.com"
        function = "hello"
        alias = "live"
        tls_cert = "/api.pem"
        tls_key = "/api-key.pem"
        [[domains]]
        name = "shop.example.com"
        api = "a1b2c3d4e5"
    "#;
    let config = load(Settings::default(), &[], Some(file)).unwrap();
    let [api, shop] = &config.domains[..] else { panic!("{:?}", config.domains) };
    assert_eq!(api.name, "api.example.com");
    assert_eq!(api.target, DomainTarget::Function { name: "hello".into(), alias: Some("live".into()) });
    assert_eq!(api.tls.as_ref().unwrap().key, PathBuf::from("/api-key.pem"));
    assert_eq!(shop.target, DomainTarget::Api { id: "a1b2c3d4e5".into(), stage: "$default".into() });
    assert!(shop.tls.is_none());
    assert!(load(Settings::default(), &[], None).unwrap().domains.is_empty());
}

#[test]
fn what_is_wrong_with_a_custom_domain_is_said() {
    let good = "name = \"a.example.com\"\nfunction = \"hello\"";
    for (entry, parts) in [
        ("name = \"*.example.com\"\nfunction = \"hello\"", &["*.example.com", "wildcards are not served"][..]),
        ("name = \"a.example.com:443\"\nfunction = \"hello\"", &["not a host name", "without a port"]),
        ("name = \"127.0.0.1\"\nfunction = \"hello\"", &["not a host name"]),
        ("name = \"\"\nfunction = \"hello\"", &["not a host name"]),
        ("name = \"x.lambda-url.us-east-1.localhost\"\nfunction = \"hello\"", &["the server's own"]),
        ("name = \"a.example.com\"", &["a.example.com, which leads nowhere", "function = "]),
        ("name = \"a.example.com\"\nfunction = \"f\"\napi = \"abc\"", &["to a function and to an API"]),
        ("name = \"a.example.com\"\nfunction = \"f\"\nstage = \"s\"", &["has a stage, but no API"]),
        ("name = \"a.example.com\"\napi = \"abc\"\nalias = \"s\"", &["has an alias, but no function"]),
        ("name = \"a.example.com\"\nfunction = \"arn:aws:lambda:x\"", &["arn:aws:lambda:x", "no ARN"]),
        ("name = \"a.example.com\"\napi = \"ABC\"", &["\"ABC\"", "small letters"]),
        (&format!("{good}\ntls_cert = \"/c\""), &["half a certificate"]),
        (&format!("{good}\ntls_cert = \"/c\"\ntls_key = \"/k\""), &["the server has none", "--tls-cert"]),
        (&format!("{good}\n[[domains]]\n{}", good.replace("a.e", "A.e")), &["a.example.com twice"]),
    ] {
        let error = load(Settings::default(), &[], Some(&format!("[[domains]]\n{entry}"))).unwrap_err();
        let text = format!("{error}\nhint: {}", error.remedy());
        for part in parts.iter().chain(&["domains (in "]) {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}

const BROKER: &str = "arn = \"arn:aws:mq:us-east-1:000000000000:broker:orders:b-1\"";
const SECRET: &str = "arn = \"arn:aws:secretsmanager:us-east-1:000000000000:secret:rabbit\"";

#[test]
fn brokers_and_secrets() {
    let file = format!(
        "[[brokers]]\n{BROKER}\nurl = \"amqps://rabbit\"\nca_cert = \"/ca.pem\"\n[[secrets]]\n{SECRET}\nvariable = \"LOGIN\"\n"
    );
    let config = load(Settings::default(), &[("LOGIN", "the secret")], Some(&file)).unwrap();
    assert_eq!(config.brokers[0].place, BrokerPlace::Rabbit("amqps://rabbit:5671".parse().unwrap()));
    assert_eq!(config.brokers[0].authorities, Some(PathBuf::from("/ca.pem")));
    assert_eq!(config.secrets.values().collect::<Vec<_>>(), [&SecretPlace::Text("the secret".to_owned())]);
    assert!(!format!("{config:?}").contains("the secret"));
}

#[test]
fn clusters_of_kafka_are_named_by_their_servers_or_by_an_arn() {
    let arn = "arn:aws:kafka:us-east-1:000000000000:cluster/orders/1";
    let file = format!(
        "[[brokers]]\nurl = \"kafkas://one.example:9093,[::1]:9093\"\n[[brokers]]\narn = \"{arn}\"\nurl = \"kafka://a:1\"\n"
    );
    let config = load(Settings::default(), &[], Some(&file)).unwrap();
    let servers = |servers: &[&str]| servers.iter().map(|server| (*server).to_owned()).collect();
    let (one, other) = (servers(&["one.example:9093", "[::1]:9093"]), servers(&["a:1"]));
    assert_eq!(config.brokers[0].place, BrokerPlace::Kafka { servers: one, is_tls: true });
    assert_eq!(config.brokers[1].place, BrokerPlace::Kafka { servers: other, is_tls: false });
    assert_eq!((config.brokers[0].arn.as_deref(), config.brokers[1].arn.as_deref()), (None, Some(arn)));
}

#[test]
fn what_is_wrong_with_brokers_and_secrets_is_said() {
    for (file, expected) in [
        (format!("[[brokers]]\n{BROKER}\nurl = \"ssl://a:61617\"\n"), "ActiveMQ is not"),
        (format!("[[brokers]]\n{BROKER}\nurl = \"amqp://me:secret@a\"\n"), "a user name or a password"),
        ("[[brokers]]\narn = \"orders\"\nurl = \"amqp://a\"\n".to_owned(), "no ARN of a broker"),
        ("[[brokers]]\nurl = \"amqp://a\"\n".to_owned(), "no ARN of a broker"),
        (format!("[[brokers]]\n{BROKER}\nurl = \"kafka://a:1\"\n"), "no ARN of a broker"),
        ("[[brokers]]\nurl = \"kafkas://a:1,b\"\n".to_owned(), "not HOST:PORT"),
        ("[[brokers]]\nurl = \"kafka://me:secret@a:1\"\n".to_owned(), "not HOST:PORT"),
        (format!("[[brokers]]\n{BROKER}\nurl = \"amqp://a\"\n").repeat(2), "twice"),
        (format!("[[secrets]]\n{SECRET}\nvariable = \"LOGIN\"\n"), "which is not set"),
        (format!("[[secrets]]\n{SECRET}\n"), "not one place"),
        (format!("[[secrets]]\n{SECRET}\nfile = \"/a\"\n").repeat(2), "twice"),
        ("[[secrets]]\narn = \"rabbit\"\nfile = \"/a\"\n".to_owned(), "no ARN of a secret"),
    ] {
        let error = load(Settings::default(), &[], Some(&file)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
