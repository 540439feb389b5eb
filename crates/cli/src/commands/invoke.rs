//! `tindra invoke`: one synchronous invoke.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use bytes::Bytes;

use crate::arguments::InvokeArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::progress::Task;
use crate::{api, output, style};

pub(crate) async fn run(arguments: InvokeArguments) -> Result<ExitCode, Failure> {
    let client = arguments.endpoint.client()?;
    let payload = payload(arguments.payload.as_deref())?;
    let task = output::is_terminal().then(|| Task::new(&arguments.name));
    if let Some(task) = &task {
        task.step("running");
    }
    let tenant = arguments.tenant_id.as_deref();
    let invoked = api::invoke(&client, &arguments.name, payload, tenant, arguments.log).await;
    drop(task);
    let invoked = invoked?;
    if let Some(log) = &invoked.log_tail {
        output::note(log.trim_end());
    }
    output::bytes(&invoked.payload)?;
    match invoked.function_error {
        None => Ok(ExitCode::Success),
        Some(kind) => {
            output::note(&format!(
                "{} {} answered with an error ({kind})\n{} `tindra logs {}` shows what it logged",
                style::error("error:"),
                arguments.name,
                style::hint("hint:"),
                arguments.name,
            ));
            Ok(ExitCode::FunctionError)
        }
    }
}

fn payload(text: Option<&str>) -> Result<Bytes> {
    match text {
        None => Ok(Bytes::new()),
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("failed to read the payload from stdin")?;
            Ok(bytes.into())
        }
        Some(text) => match text.strip_prefix('@') {
            Some(path) => Ok(std::fs::read(path).with_context(|| format!("failed to read the payload {path}"))?.into()),
            None => Ok(Bytes::copy_from_slice(text.as_bytes())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_text_or_a_file() {
        assert_eq!(payload(None).unwrap(), "");
        assert_eq!(payload(Some("{\"a\":1}")).unwrap(), "{\"a\":1}");
        let manifest = concat!("@", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(payload(Some(manifest)).unwrap().starts_with(b"[package]"));
        assert!(payload(Some("@/no/such/file")).is_err());
    }
}
