//! The URI of a function in integrations and authorizers.

use tindra_core::function::Scope;
use tindra_core::name::{self, FunctionReference};

use super::HttpApiError;

/// What stands around a function's ARN in the URI of its invocation.
const AROUND: (&str, &str) = (":lambda:path/2015-03-31/functions/", "/invocations");

/// A function that an API runs, with its account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FunctionTarget {
    pub(super) scope: Scope,
    pub(super) name: String,
    pub(super) qualifier: Option<String>,
}

impl FunctionTarget {
    /// The function's ARN, with the qualifier.
    pub(super) fn arn(&self) -> String {
        name::arn(&self.scope, &self.name, self.qualifier.as_deref())
    }

    /// Reads a URI: a function's ARN, or the path of its invocation
    /// (`arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations`). `variable` gives the value of a
    /// stage variable, which stands as `${stageVariables.NAME}`; none when there is no such variable.
    pub(super) fn read(uri: &str, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let uri = filled(uri, variable)?;
        let arn = match uri.strip_prefix("arn:").filter(|_| uri.contains(AROUND.0)) {
            Some(rest) => {
                let (head, rest) = rest.split_once(AROUND.0)?;
                head.split(':').nth(1).filter(|service| *service == "apigateway")?;
                rest.strip_suffix(AROUND.1)?
            }
            None => &uri,
        };
        arn.strip_prefix("arn:")?;
        let reference = FunctionReference::parse(arn).ok()?;
        let scope = Scope { account: reference.account?.to_owned(), region: reference.region?.to_owned() };
        Some(Self { scope, name: reference.name.to_owned(), qualifier: reference.qualifier.map(str::to_owned) })
    }
}

/// Refuses what can be the URI of no function of this region, whatever the stage variables are.
pub(super) fn check(member: &str, uri: &str, scope: &Scope) -> Result<(), HttpApiError> {
    // A variable can be anything; digits are right for an account and a name alike.
    let found = FunctionTarget::read(uri, |_| Some("000000000000".to_owned()));
    let expected = || {
        HttpApiError::invalid(format!(
            "Invalid Lambda function ARN specified. {member} must be the ARN of a function, or arn:aws:apigateway:{0}:lambda:path/2015-03-31/functions/ARN/invocations.",
            scope.region
        ))
    };
    match found.ok_or_else(expected)?.scope.region {
        region if region == scope.region => Ok(()),
        region => Err(HttpApiError::invalid(format!(
            "The function of {member} is in {region}; an API runs functions of its own region, {}.",
            scope.region
        ))),
    }
}

/// The text with the values of its stage variables.
fn filled(text: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    const OPENING: &str = "${stageVariables.";
    let mut parts = text.split(OPENING);
    let mut filled = parts.next()?.to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        filled += &variable(name)?;
        filled += rest;
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:hello";

    fn read(uri: &str) -> Option<String> {
        let variable = |name: &str| (name == "which").then(|| "live".to_owned());
        FunctionTarget::read(uri, variable).map(|target| target.arn())
    }

    #[test]
    fn a_function_is_named_in_two_ways() {
        let around =
            |arn: &str| format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations");
        for (arn, read_as) in [
            (ARN.to_owned(), Some(ARN.to_owned())),
            (format!("{ARN}:7"), Some(format!("{ARN}:7"))),
            (format!("{ARN}:${{stageVariables.which}}"), Some(format!("{ARN}:live"))),
            (ARN.replace("hello", "a-${stageVariables.which}-z"), Some(ARN.replace("hello", "a-live-z"))),
            (format!("{ARN}:${{stageVariables.other}}"), None),
            (format!("{ARN}:${{stageVariables.which"), None),
            ("hello".to_owned(), None),
            ("https://example.com".to_owned(), None),
        ] {
            assert_eq!(read(&arn), read_as, "{arn}");
            assert_eq!(read(&around(&arn)), read_as, "{arn}");
        }
        assert_eq!(read(&around(ARN).replace(":apigateway:", ":s3:")), None);
        assert_eq!(read(&around(ARN).replace("/invocations", "")), None);
    }

    #[test]
    fn another_region_is_refused_in_plain_words() {
        let here = Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() };
        assert!(check("IntegrationUri", ARN, &here).unwrap_err().message().contains("is in us-east-1"));
        let here = Scope { region: "us-east-1".to_owned(), ..here };
        assert_eq!(check("IntegrationUri", ARN, &here), Ok(()));
        assert_eq!(check("IntegrationUri", "${stageVariables.all}", &here).unwrap_err().code(), "BadRequestException");
    }
}
