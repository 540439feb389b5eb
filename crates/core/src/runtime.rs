//! The `Runtime` values of the Lambda API and what they mean here.

/// How a runtime is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// CPython of the named minor version with AWS's Python runtime client.
    Python,
    /// Node.js of the named major version with AWS's Node runtime client.
    Node,
    /// A Java virtual machine of the named release with AWS's Java runtime client.
    Java,
    /// The function's own `bootstrap`.
    Provided,
    /// Known to the API, no way to run it here yet.
    Unsupported,
}

/// One `Runtime` value that can be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    name: String,
    family: Family,
}

impl Runtime {
    /// Parses a `Runtime` value such as `python3.12`, `nodejs22.x` or `provided.al2023`.
    ///
    /// The service model has already refused values that the API does not know.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let family = match name {
            "provided.al2" | "provided.al2023" => Family::Provided,
            _ if is_version(name.strip_prefix("python3.").unwrap_or_default()) => Family::Python,
            _ if is_version(name.strip_prefix("nodejs").and_then(|v| v.strip_suffix(".x")).unwrap_or_default()) => {
                Family::Node
            }
            _ if is_version(java_release(name)) => Family::Java,
            _ => Family::Unsupported,
        };
        Self { name: name.to_owned(), family }
    }

    /// The value as the API writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is started.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether its functions can begin as copies of a snapshot (AWS: Python 3.12 and later, Java, .NET; here Python).
    #[must_use]
    pub fn has_snapshots(&self) -> bool {
        let minor = self.language_version().strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok());
        self.family == Family::Python && minor.is_some_and(|minor| minor >= 12)
    }

    /// The version of the language: `3.12` of `python3.12`, `22` of `nodejs22.x`, `17` of `java17`, empty for the others.
    #[must_use]
    pub fn language_version(&self) -> &str {
        match self.family {
            Family::Python => self.name.trim_start_matches("python"),
            Family::Node => self.name.trim_start_matches("nodejs").trim_end_matches(".x"),
            Family::Java => java_release(&self.name),
            Family::Provided | Family::Unsupported => "",
        }
    }
}

/// `17` of `java17` and `java17.al2023`. Java 8 is known with the name of its system only: plain `java8`, on
/// Amazon Linux 1, is no more.
fn java_release(name: &str) -> &str {
    let rest = name.strip_prefix("java").unwrap_or_default();
    let release = rest.strip_suffix(".al2023").or_else(|| rest.strip_suffix(".al2")).unwrap_or(rest);
    if rest == "8" { "" } else { release }
}

fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_pythons_have_snapshots() {
        for (name, expected) in [
            ("python3.11", false),
            ("python3.12", true),
            ("python3.13", true),
            ("nodejs22.x", false),
            ("java21", false),
        ] {
            assert_eq!(Runtime::parse(name).has_snapshots(), expected, "{name}");
        }
    }

    #[test]
    fn names_tell_family_and_version() {
        for (name, family, version) in [
            ("python3.12", Family::Python, "3.12"),
            ("nodejs22.x", Family::Node, "22"),
            ("provided.al2023", Family::Provided, ""),
            ("provided.al2", Family::Provided, ""),
            ("java21", Family::Java, "21"),
            ("java17.al2023", Family::Java, "17"),
            ("java8.al2", Family::Java, "8"),
            ("java8", Family::Unsupported, ""),
            ("ruby3.4", Family::Unsupported, ""),
            ("nodejs4.3", Family::Unsupported, ""),
        ] {
            let runtime = Runtime::parse(name);
            assert_eq!((runtime.family(), runtime.language_version()), (family, version), "{name}");
        }
    }
}
