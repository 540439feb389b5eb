//! Brings a function of a folder to a server, through the public API.

use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::api;
use crate::client::Client;
use crate::failure::Failure;
use crate::package;
use crate::progress::Task;
use crate::project::Function;

/// The role of functions that name none. It is recorded; it opens nothing.
const ROLE_DEFAULT: &str = "arn:aws:iam::000000000000:role/tindra";
/// Between two looks at a function that is not ready yet.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Time for a function to become ready; making its runtime may take minutes.
const READY_TIMEOUT: Duration = Duration::from_secs(600);

/// What deploying did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not there before.
    Created,
    /// Code or settings changed.
    Updated,
    /// Everything was there already.
    Unchanged,
}

impl Outcome {
    /// For people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Creates or updates a function and waits until it can be invoked. Returns its configuration.
pub(crate) async fn deploy(
    client: &Client,
    function: &Function,
    runtime: &str,
    task: &Task,
) -> Result<(Outcome, Value), Failure> {
    task.step("packaging");
    let zip = package::make(&function.path, &function.ignore)?;
    task.step("sending");
    let outcome = match api::configuration(client, &function.name).await {
        Ok(_) => update(client, function, runtime, &zip, task).await?,
        Err(error) if error.is_not_found() => {
            let mut request = settings(function, runtime);
            request["FunctionName"] = function.name.clone().into();
            request["Code"] = json!({ "ZipFile": BASE64.encode(&zip) });
            api::create(client, request).await.map_err(|error| failed(function, error))?;
            Outcome::Created
        }
        Err(error) => return Err(failed(function, error)),
    };
    let configuration = ready(client, &function.name, task).await?;
    Ok((outcome, configuration))
}

fn failed(function: &Function, error: crate::client::ClientError) -> Failure {
    let hint = error.hint().filter(|_| !error.is_not_found());
    Failure::new(anyhow::Error::from(error).context(format!("failed to deploy {}", function.name))).hint(hint)
}

async fn update(
    client: &Client,
    function: &Function,
    runtime: &str,
    zip: &[u8],
    task: &Task,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Unchanged;
    let before = ready_or_failed(client, &function.name, task).await?;
    let wanted = settings(function, runtime);
    if differs(&before, &wanted) {
        api::update_configuration(client, &function.name, wanted).await.map_err(|error| failed(function, error))?;
        ready_or_failed(client, &function.name, task).await?;
        outcome = Outcome::Updated;
    }
    let has_failed = is(&before, "State", "Failed") || is(&before, "LastUpdateStatus", "Failed");
    if has_failed || !is(&before, "CodeSha256", &BASE64.encode(Sha256::digest(zip))) {
        api::update_code(client, &function.name, zip).await.map_err(|error| failed(function, error))?;
        outcome = Outcome::Updated;
    }
    Ok(outcome)
}

/// The settings as `CreateFunction` and `UpdateFunctionConfiguration` both take them; what the folder leaves open
/// has AWS's default.
fn settings(function: &Function, runtime: &str) -> Value {
    use tindra_core::limits;
    json!({
        "Runtime": runtime,
        "Handler": function.handler,
        "Role": function.role.as_deref().unwrap_or(ROLE_DEFAULT),
        "MemorySize": function.memory_mb.unwrap_or(limits::MEMORY_MB_DEFAULT),
        "Timeout": function.timeout_s.unwrap_or(limits::TIMEOUT_S_DEFAULT),
        "EphemeralStorage": { "Size": function.ephemeral_storage_mb.unwrap_or(limits::EPHEMERAL_STORAGE_MB_DEFAULT) },
        "Environment": { "Variables": function.environment },
    })
}

/// True when a wanted setting is not what the server has; an empty environment is shown as none at all.
fn differs(configuration: &Value, wanted: &Value) -> bool {
    let nothing = Map::new();
    let variables =
        |value: &Value| value.pointer("/Environment/Variables").and_then(Value::as_object).unwrap_or(&nothing).clone();
    ["Runtime", "Handler", "Role", "MemorySize", "Timeout", "EphemeralStorage"]
        .iter()
        .any(|member| configuration.get(*member) != wanted.get(*member))
        || variables(configuration) != variables(wanted)
}

fn is(configuration: &Value, member: &str, value: &str) -> bool {
    configuration.get(member).and_then(Value::as_str) == Some(value)
}

/// Waits until a function can be invoked with what was last sent.
async fn ready(client: &Client, name: &str, task: &Task) -> Result<Value, Failure> {
    let configuration = ready_or_failed(client, name, task).await?;
    let text = |member: &str| configuration.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let reason = match (text("State").as_str(), text("LastUpdateStatus").as_str()) {
        ("Failed", _) => text("StateReason"),
        (_, "Failed") => text("LastUpdateStatusReason"),
        _ => return Ok(configuration),
    };
    Err(Failure::new(anyhow::Error::msg(reason).context(format!("failed to make {name} ready"))))
}

/// Waits until nothing is pending, whatever came of it.
async fn ready_or_failed(client: &Client, name: &str, task: &Task) -> Result<Value, Failure> {
    let settled = async {
        loop {
            let configuration = api::configuration(client, name).await?;
            if !is(&configuration, "State", "Pending") && !is(&configuration, "LastUpdateStatus", "InProgress") {
                return Ok(configuration);
            }
            task.step("getting ready");
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    };
    tokio::time::timeout(READY_TIMEOUT, settled)
        .await
        .with_context(|| format!("failed to see {name} ready within {} s", READY_TIMEOUT.as_secs()))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{Event, RuntimeChoice};

    fn function() -> Function {
        Function {
            name: "f".into(),
            path: "/".into(),
            runtime: RuntimeChoice::Exactly("python3.12".into()),
            handler: "app.handler".into(),
            role: None,
            memory_mb: Some(256),
            timeout_s: None,
            ephemeral_storage_mb: None,
            environment: [("A".to_owned(), "1".to_owned())].into(),
            event: Event::Empty,
            ignore: Vec::new(),
        }
    }

    #[test]
    fn settings_differ_only_when_they_do() {
        let wanted = settings(&function(), "python3.12");
        assert_eq!(wanted["MemorySize"], 256);
        assert_eq!(wanted["Timeout"], 3);
        let mut there = wanted.clone();
        there["State"] = "Active".into();
        assert!(!differs(&there, &wanted));
        there["Environment"]["Variables"]["A"] = "2".into();
        assert!(differs(&there, &wanted));
        let bare = settings(&Function { environment: Default::default(), ..function() }, "python3.12");
        let mut there = bare.clone();
        there.as_object_mut().unwrap().remove("Environment");
        assert!(!differs(&there, &bare));
    }
}
