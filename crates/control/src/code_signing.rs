//! Code signing configurations, and which functions use them.
//!
//! This server verifies no signatures. A configuration that only warns changes nothing about a deployment on
//! AWS either, so it is stored and shown; one that enforces would promise a check that nobody makes, and is
//! refused.

mod configs;
mod function_configs;
mod read_configs;
mod shown;

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use tindra_core::function::{Function, Scope};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Versioned};

use crate::Control;
use crate::error::ControlError;
use crate::tags::{Tagged, Tags};

/// A code signing configuration as the store keeps it. Its policy is always `Warn`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CodeSigning {
    /// `csc-` and 17 lower-case letters and digits.
    id: String,
    scope: Scope,
    description: Option<String>,
    /// `SigningProfileVersionArns`.
    publishers: Vec<String>,
    tags: Tags,
    last_modified_ms: UnixMs,
}

impl CodeSigning {
    fn arn(&self) -> String {
        format!("{}{}", arn_prefix(&self.scope), self.id)
    }

    fn key_prefix(scope: &Scope) -> String {
        format!("code-signing-config/{}/{}/", scope.account, scope.region)
    }

    /// The key of the configuration with an id.
    pub(crate) fn key(scope: &Scope, id: &str) -> String {
        format!("{}{id}", Self::key_prefix(scope))
    }

    /// The prefix of the keys of the records that say which functions use a configuration.
    fn users_prefix(scope: &Scope, arn: &str) -> String {
        let id = arn.rsplit(':').next().unwrap_or_default();
        format!("code-signing-user/{}/{}/{id}/", scope.account, scope.region)
    }
}

impl Tagged for CodeSigning {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn tags_mut(&mut self) -> Result<&mut Tags, ControlError> {
        Ok(&mut self.tags)
    }
}

fn arn_prefix(scope: &Scope) -> String {
    format!("arn:aws:lambda:{}:{}:code-signing-config:", scope.region, scope.account)
}

/// The error for when a configuration does not exist.
pub(crate) fn not_found(arn: &str) -> ControlError {
    ControlError::Missing(format!("The Lambda code signing configuration {arn} can not be found."))
}

impl Control {
    async fn code_signing(&self, scope: &Scope, arn: &str) -> Result<Option<Versioned<CodeSigning>>, ControlError> {
        // Those of other accounts and regions are not here.
        match arn.strip_prefix(&arn_prefix(scope)) {
            Some(id) => Ok(self.store.metadata.get_json(&CodeSigning::key(scope, id)).await?),
            None => Ok(None),
        }
    }

    /// Adds to a batch that a function uses a configuration. The batch fails when the configuration changes or
    /// goes meanwhile.
    ///
    /// # Errors
    /// When there is no such configuration.
    pub(crate) async fn use_code_signing(
        &self,
        batch: Batch,
        scope: &Scope,
        function: &str,
        arn: &str,
    ) -> Result<Batch, ControlError> {
        let record = self.code_signing(scope, arn).await?.ok_or_else(|| ControlError::Refused {
            code: "CodeSigningConfigNotFoundException",
            message: format!(
                "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
            ),
        })?;
        let user = format!("{}{function}", CodeSigning::users_prefix(scope, arn));
        Ok(batch.put_json(record.key, Precondition::Revision(record.revision), &record.value)?.put_json(
            user,
            Precondition::None,
            &function,
        )?)
    }

    /// Adds to a batch that a function no longer uses its configuration.
    pub(crate) fn leave_code_signing(&self, batch: Batch, function: &Function) -> Batch {
        match &function.code_signing_config_arn {
            Some(arn) => {
                let prefix = CodeSigning::users_prefix(&function.scope, arn);
                batch.delete(format!("{prefix}{}", function.name), Precondition::None)
            }
            None => batch,
        }
    }
}
