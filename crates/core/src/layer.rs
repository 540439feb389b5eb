//! Layers: versioned packages that functions lay under /opt.

use serde::{Deserialize, Serialize};

use crate::clock::UnixMs;
use crate::function::{Code, Scope};

/// What the keys of all layer versions begin with.
pub const LAYER_PREFIX: &str = "layer/";

/// Which layer, or which version of it, a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerName {
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name.
    pub name: String,
}

impl LayerName {
    /// Reads a bare name, which is one of the request's own account and region, or a layer's ARN.
    #[must_use]
    pub fn parse(text: &str, here: &Scope) -> Self {
        match Self::parse_arn(text) {
            Some((name, _)) => name,
            None => Self { scope: here.clone(), name: text.to_owned() },
        }
    }

    /// Reads the ARN of a layer, or of a version of one: then with its number.
    #[must_use]
    pub fn parse_arn(text: &str) -> Option<(Self, Option<u64>)> {
        let parts: Vec<&str> = text.split(':').collect();
        let (head, number) = match parts.as_slice() {
            [head @ .., text] if head.len() == 7 => {
                let number: u64 = text.parse().ok()?;
                // One way of writing it: two texts never name the same version.
                (head, (number.to_string() == *text).then_some(number).map(Some)?)
            }
            head => (head, None),
        };
        let &["arn", _, "lambda", region, account, "layer", name] = head else { return None };
        let scope = Scope { account: account.to_owned(), region: region.to_owned() };
        Some((Self { scope, name: name.to_owned() }, number))
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME`.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:layer:{}", self.scope.region, self.scope.account, self.name)
    }

    /// The same with a version's number.
    #[must_use]
    pub fn version_arn(&self, version: u64) -> String {
        format!("{}:{version}", self.arn())
    }

    /// The prefix of the keys of its versions, which lie in the order of their numbers.
    #[must_use]
    pub fn key_prefix(&self) -> String {
        format!("{LAYER_PREFIX}{}/{}/{}/", self.scope.account, self.scope.region, self.name)
    }

    /// The key of one of its versions.
    #[must_use]
    pub fn key(&self, version: u64) -> String {
        format!("{}{version:020}", self.key_prefix())
    }
}

/// A version of a layer as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerVersion {
    /// Account and region.
    pub scope: Scope,
    /// `LayerName`, bare.
    pub name: String,
    /// Counted from one, never given twice.
    pub version: u64,
    /// `Description`.
    pub description: String,
    /// `LicenseInfo`.
    pub license: Option<String>,
    /// `CompatibleRuntimes`.
    pub runtimes: Vec<String>,
    /// `CompatibleArchitectures`.
    pub architectures: Vec<String>,
    /// `CreatedDate`.
    pub created_ms: UnixMs,
    /// Its content.
    pub code: Code,
}

impl LayerVersion {
    /// Which layer it is a version of.
    #[must_use]
    pub fn layer(&self) -> LayerName {
        LayerName { scope: self.scope.clone(), name: self.name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::LayerName;
    use crate::function::Scope;

    #[test]
    fn names_and_arns() {
        let here = Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() };
        let bare = LayerName::parse("tools", &here);
        assert_eq!(bare.arn(), "arn:aws:lambda:eu-west-1:123456789012:layer:tools");
        assert_eq!(LayerName::parse(&bare.arn(), &here), bare);
        assert_eq!(LayerName::parse_arn(&bare.version_arn(7)), Some((bare.clone(), Some(7))));
        assert_eq!(LayerName::parse_arn(&bare.arn()), Some((bare, None)));
        for text in [
            "tools",
            "arn:aws:lambda:eu-west-1:123456789012:function:tools",
            "arn:aws:lambda:r:a:layer:n:x",
            "arn:aws:lambda:r:a:layer:n:01",
            "",
        ] {
            assert_eq!(LayerName::parse_arn(text), None, "{text}");
        }
    }
}
