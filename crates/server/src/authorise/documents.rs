//! The documents of IAM as policies. Each is read once and kept while it is asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tindra_core::policy::Policy;
use tindra_model::ApiError;
use tindra_services::iam::PolicyDocument;

/// Policies kept; more than an account's users and roles usually have together.
const KEPT_MAX: usize = 4_096;

/// Policies by their text.
#[derive(Debug, Default)]
pub(super) struct Documents {
    known: Mutex<HashMap<Arc<str>, Arc<Policy>>>,
}

impl Documents {
    /// All of them. One that cannot be read could hold a denial, so then there is no answer.
    pub(super) fn read_all(&self, documents: &[PolicyDocument]) -> Result<Vec<Arc<Policy>>, ApiError> {
        documents.iter().map(|document| self.read(document)).collect()
    }

    pub(super) fn read(&self, document: &PolicyDocument) -> Result<Arc<Policy>, ApiError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = known.get(&document.document) {
            return Ok(Arc::clone(policy));
        }
        let policy = Policy::parse(&document.document).map_err(|error| {
            let message = format!("The policy {} cannot be evaluated: {error}", document.name);
            ApiError::new("AccessDeniedException", message)
        })?;
        let policy = Arc::new(policy);
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(Arc::clone(&document.document), Arc::clone(&policy));
        Ok(policy)
    }
}
