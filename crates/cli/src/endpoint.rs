//! Which server a client command talks to, and with which keys.

use anyhow::{Context as _, Result};
use clap::Args;

use crate::client::{Client, Trust};

/// The server that is asked when nothing says otherwise.
const ENDPOINT_DEFAULT: &str = "http://127.0.0.1:4566";
/// The region when nothing says otherwise.
const REGION_DEFAULT: &str = "us-east-1";

/// Options of every command that talks to a server.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EndpointArguments {
    /// The server; for https, AWS_CA_BUNDLE names the certificates to trust
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL", default_value = ENDPOINT_DEFAULT)]
    pub(crate) endpoint_url: String,
    /// The region; also AWS_DEFAULT_REGION
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    pub(crate) region: Option<String>,
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl EndpointArguments {
    /// A client of that server, with the keys of the environment.
    pub(crate) fn client(&self) -> Result<Client> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let region = self.region.clone().or_else(|| variable("AWS_DEFAULT_REGION"));
        let keys = keys(&variable)?;
        // An empty variable counts as not set, as with AWS's tools.
        let endpoint_url = Some(self.endpoint_url.as_str()).filter(|url| !url.is_empty()).unwrap_or(ENDPOINT_DEFAULT);
        let region = region.filter(|region| !region.is_empty());
        let region = region.unwrap_or_else(|| REGION_DEFAULT.to_owned());
        Client::new(endpoint_url, region, keys, &Trust::from_environment())
    }
}

/// Keys from the variables that AWS tools read, or from the file that one of them names. A server without
/// authentication takes any key, hence a made-up one when there is none.
fn keys(variable: &dyn Fn(&str) -> Option<String>) -> Result<Keys> {
    if let (Some(access_key_id), Some(secret_access_key)) =
        (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
    {
        return Ok(Keys { access_key_id, secret_access_key, session_token: variable("AWS_SESSION_TOKEN") });
    }
    if let Some(path) = variable("AWS_SHARED_CREDENTIALS_FILE") {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read the credentials file {path}"))?;
        let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        return from_file(&text, &profile).with_context(|| format!("failed to find the profile {profile} in {path}"));
    }
    Ok(Keys { access_key_id: "test".to_owned(), secret_access_key: "test".to_owned(), session_token: None })
}

/// The keys of one profile of an AWS credentials file.
fn from_file(text: &str, profile: &str) -> Option<Keys> {
    let header = format!("[{profile}]");
    let lines = text.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    let settings: Vec<(&str, &str)> = lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let setting =
        |wanted: &str| settings.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
    Some(Keys {
        access_key_id: setting("aws_access_key_id")?,
        secret_access_key: setting("aws_secret_access_key")?,
        session_token: setting("aws_session_token"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_variables_then_the_file_then_nowhere() {
        let both = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("AKIA1".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("secret".to_owned()),
            _ => None,
        };
        assert_eq!(keys(&both).unwrap().access_key_id, "AKIA1");
        assert_eq!(keys(&|_| None).unwrap().access_key_id, "test");
        let missing = |name: &str| (name == "AWS_SHARED_CREDENTIALS_FILE").then(|| "/no/such/file".to_owned());
        assert!(keys(&missing).is_err());
    }

    #[test]
    fn a_profile_of_a_credentials_file_is_found() {
        let text = "[other]\naws_access_key_id = X\n[default]\naws_access_key_id=AKIA2\naws_secret_access_key = s=cret\n\n[last]\n";
        let keys = from_file(text, "default").unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.as_str()), ("AKIA2", "s=cret"));
        assert!(from_file(text, "last").is_none());
        assert!(from_file(text, "none").is_none());
    }
}
