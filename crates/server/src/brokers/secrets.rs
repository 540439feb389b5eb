//! The secrets of the configuration, which mappings name by their ARNs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tindra_events::mappings::SourceError;

use crate::config::SecretPlace;

/// The secrets by their ARNs.
#[derive(Clone, Debug)]
pub(crate) struct Secrets(pub(crate) BTreeMap<String, SecretPlace>);

/// What a secret for logging in holds (AWS; other members are for others).
#[derive(Deserialize)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
}

impl Secrets {
    /// Reads a secret; `form` is how it is written, for whoever has to write it.
    pub(super) async fn read<T: DeserializeOwned>(&self, arn: &str, form: &str) -> Result<T, SourceError> {
        let text = match self.0.get(arn) {
            Some(SecretPlace::Text(text)) => text.clone(),
            Some(SecretPlace::File(path)) => {
                let file = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
                let read = read.map_err(|error| SourceError::new(error.to_string()))?;
                read.map_err(|error| {
                    SourceError::new(format!("failed to read the secret {arn} from {}: {error}", path.display()))
                })?
            }
            None => {
                return Err(SourceError::new(format!(
                    "this server knows no secret {arn}; name it in the server's configuration as [[secrets]], with arn and file or variable"
                )));
            }
        };
        // What is wrong with it is not repeated: it may be a password.
        serde_json::from_str(&text).map_err(|_| SourceError::new(format!("the secret {arn} is not of the form {form}")))
    }

    /// Reads a secret with which one logs in.
    pub(super) async fn login(&self, arn: &str) -> Result<Login, SourceError> {
        self.read(arn, r#"{"username": "…", "password": "…"}"#).await
    }
}
