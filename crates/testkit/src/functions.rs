//! Functions as the store has them.

use std::collections::BTreeMap;

use tindra_core::function::{
    Architecture, Code, Configuration, Deployment, Function, LogFormat, Logging, Reason, RecursiveLoop, RuntimeUpdate,
    Scope, State, UpdateStatus, Version,
};
use tindra_core::limits;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError};
use uuid::Uuid;

/// An account and region.
#[must_use]
pub fn scope() -> Scope {
    Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() }
}

/// A function that can be invoked.
#[must_use]
pub fn active_function(scope: &Scope, name: &str) -> Function {
    let configuration = Configuration {
        runtime: "python3.12".to_owned(),
        handler: "app.handler".to_owned(),
        role: format!("arn:aws:iam::{}:role/worker", scope.account),
        description: String::new(),
        timeout_s: limits::TIMEOUT_S_DEFAULT,
        memory_mb: limits::MEMORY_MB_DEFAULT,
        ephemeral_storage_mb: limits::EPHEMERAL_STORAGE_MB_DEFAULT,
        environment: BTreeMap::new(),
        architecture: Architecture::host(),
        logging: Logging {
            format: LogFormat::Text,
            application_level: None,
            system_level: None,
            group: format!("/aws/lambda/{name}"),
        },
        layers: Vec::new(),
        network: None,
        traces_actively: false,
        dead_letter_target_arn: None,
        snapshots_versions: false,
        managed_instances: None,
    };
    let code = Code { sha256: "0".repeat(64), size_bytes: 1, unzipped_bytes: 1 };
    let deployment = Deployment { generation: Uuid::new_v4(), code, configuration };
    Function {
        id: Uuid::new_v4(),
        scope: scope.clone(),
        name: name.to_owned(),
        version: Version::Latest,
        revision_id: Uuid::new_v4(),
        last_modified_ms: 0,
        state: State::Active,
        state_reason: None,
        update_status: UpdateStatus::Successful,
        update_reason: None,
        desired: deployment.clone(),
        serving: Some(deployment),
        tags: BTreeMap::new(),
        reserved_concurrency: None,
        recursive_loop: RecursiveLoop::default(),
        code_signing_config_arn: None,
        published_from: None,
        runtime_update: RuntimeUpdate::default(),
    }
}

/// Writes a function as a control plane would, whatever was there before.
pub async fn put_function(store: &Store, function: &Function) {
    let key = function.record_key();
    let batch = Batch::default().put_json(key, Precondition::None, function).expect("a function is JSON");
    store.metadata.commit(batch).await.expect("the store takes the function");
}

/// Settles a function's desired deployment as a machine would that has prepared it. Tells whether there was
/// anything to settle.
pub async fn settle(store: &Store, scope: &Scope, name: &str, outcome: Result<(), Reason>) -> bool {
    settle_version(store, scope, name, Version::Latest, outcome).await
}

/// The same for any version.
pub async fn settle_version(
    store: &Store,
    scope: &Scope,
    name: &str,
    version: Version,
    outcome: Result<(), Reason>,
) -> bool {
    loop {
        let key = Function::version_key(scope, name, version);
        let Some(record) = store.metadata.get_json::<Function>(&key).await.expect("the store answers") else {
            return false;
        };
        let mut function = record.value;
        if !function.settle(function.desired.generation, outcome.clone(), Uuid::new_v4()) {
            return false;
        }
        let batch = Batch::default()
            .put_json(key, Precondition::Revision(record.revision), &function)
            .expect("a function is JSON");
        match store.metadata.commit(batch).await {
            Ok(_) => return true,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
