//! Which functions are started plainly, and why: what is read when a process starts and at no other time.

use tindra_core::function::Configuration;

/// Variables that the dynamic linker, the C library, a runtime or its client reads at start, by name or, with a `*`, by beginning.
const VARIABLES: [&str; 23] = [
    "AWS_LAMBDA_EXEC_WRAPPER",
    "AWS_LAMBDA_NODEJS_*",
    "AWS_LAMBDA_RUNTIME_VERBOSE",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "JAVA_OPTS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LD_*",
    "LOCPATH",
    "MALLOC_*",
    "NODE_*",
    "OPENSSL_*",
    "PYTHON*",
    "SSL_CERT_*",
    "TINDRA_OFFICIAL_TRANSPORT",
    "TZ",
    "TZDIR",
    "UV_*",
];

/// The variable because of which a spare cannot serve the function, if there is one.
pub(super) fn reason(configuration: &Configuration) -> Option<&str> {
    // Said by the platform, not by the user.
    if configuration.managed_instances.is_some() {
        return Some("AWS_LAMBDA_MAX_CONCURRENCY");
    }
    configuration.environment.keys().map(String::as_str).find(|name| is_start_only(name))
}

fn is_start_only(name: &str) -> bool {
    VARIABLES.iter().any(|listed| match listed.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *listed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_beginnings_are_told_apart() {
        for name in ["TZ", "LD_PRELOAD", "PYTHONPATH", "NODE_OPTIONS", "LC_ALL", "JAVA_TOOL_OPTIONS"] {
            assert!(is_start_only(name), "{name}");
        }
        for name in ["TZONE", "MY_LD_PRELOAD", "LANGS", "TABLE_NAME", "PATH"] {
            assert!(!is_start_only(name), "{name}");
        }
    }
}
