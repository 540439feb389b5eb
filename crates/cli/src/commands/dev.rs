//! `tindra dev`: server, runtimes, deployment and two test invokes in one command.

mod certificate;
mod place;

use anyhow::Context as _;
use bytes::Bytes;
use tindra_server::{Ground, Mode, Running, Server};

use super::runtime::{ensure, resolve};
use super::serve::{event_loop, not_started, stopped};
use crate::arguments::DevArguments;
use crate::client::{Client, Trust};
use crate::endpoint::Keys;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::progress::Task;
use crate::project::{self, Event, Function};
use crate::{deployment, invocation, output, style};

pub(crate) fn run(arguments: DevArguments) -> Result<ExitCode, Failure> {
    let functions = project::find(&arguments.directory)?;
    let claimed = place::claim(&arguments)?;
    tindra_server::init_log(Mode::Dev);
    warn_about_layers(&claimed.ground);
    let state = place::State::empty(&claimed.config)?;
    let outcome = event_loop()?.block_on(work(&arguments, &functions, claimed));
    state.remove();
    outcome
}

fn warn_about_layers(ground: &Ground) {
    let missing: Vec<&str> = ground.layers().iter().filter(|layer| !layer.holds).map(|layer| &*layer.name).collect();
    if !missing.is_empty() {
        let warning = style::warning("warning:");
        output::note(&format!(
            "{warning} functions run without these layers of the sandbox: {}; `tindra serve` prints why",
            missing.join(", ")
        ));
    }
}

async fn work(arguments: &DevArguments, functions: &[Function], claimed: place::Claimed) -> Result<ExitCode, Failure> {
    let place::Claimed { config, ground, certificate } = claimed;
    let runtimes = resolve(&config, functions)?;
    for runtime in &runtimes {
        ensure(&config, runtime).await?;
    }
    let region = config.region.clone();
    let running = Server::start(config, ground).await.map_err(not_started)?;
    let trust = match &certificate {
        Some(certificate) => Trust { bundle: Some(certificate.authority_file()) },
        None => Trust::from_environment(),
    };
    let _renewal = certificate.as_ref().map(certificate::renew);
    // The server has taken the signals over; until it waits for them itself, they are this function's.
    let outcome = tokio::select! {
        outcome = try_out(&running, &region, functions, &runtimes, &trust) => outcome,
        interrupted = tokio::signal::ctrl_c() => {
            running.shutdown().await;
            return interrupted.context("failed to wait for Ctrl-C").map(|()| ExitCode::Success).map_err(Failure::new);
        }
    };
    match &outcome {
        Ok(_) if !arguments.once => {
            if let Some(certificate) = &certificate {
                output::note(&certificate::how_to_trust(certificate));
            }
            output::note("\nCtrl-C ends it; functions and logs go with it.");
            running.wait().await.map_err(stopped)?;
            Ok(ExitCode::Success)
        }
        _ => {
            running.shutdown().await;
            outcome
        }
    }
}

/// Deploys and invokes every function, and says how to go on.
async fn try_out(
    running: &Running,
    region: &str,
    functions: &[Function],
    runtimes: &[String],
    trust: &Trust,
) -> Result<ExitCode, Failure> {
    let keys = Keys { access_key_id: "test".to_owned(), secret_access_key: "test".to_owned(), session_token: None };
    let client = Client::new(&running.base_url(), region.to_owned(), keys, trust)?;
    let mut code = ExitCode::Success;
    for (function, runtime) in functions.iter().zip(runtimes) {
        let task = Task::new(&function.name);
        deployment::deploy(&client, function, runtime, &task).await?;
        drop(task);
        output::line(&format!(
            "{}  {}",
            style::name(&function.name),
            style::faint(&format!("{runtime}, {}", function.handler))
        ))?;
        if invoke_twice(&client, function).await? == ExitCode::FunctionError {
            code = ExitCode::FunctionError;
        }
        output::line("")?;
    }
    output::line(&format!("Tindra is at {}. From another terminal:\n", client.base()))?;
    for function in functions {
        output::line(&format!("  {}", style::command(&aws_command(&client, function))))?;
    }
    Ok(code)
}

/// Cold, then warm, then what the first one logged.
async fn invoke_twice(client: &Client, function: &Function) -> Result<ExitCode, Failure> {
    let event = Bytes::from(function.event_bytes()?);
    let task = Task::new(&function.name);
    if output::is_terminal() {
        task.step("invoking");
    }
    let cold = invocation::timed(client, &function.name, event.clone()).await;
    drop(task);
    let cold = cold?;
    output::line(&cold.text("cold"))?;
    let warm = invocation::timed(client, &function.name, event).await?;
    output::line(&warm.text("warm"))?;
    output::line("  log of the cold one")?;
    output::line(&cold.log_text())?;
    let failed = cold.invoked.function_error.is_some() || warm.invoked.function_error.is_some();
    Ok(if failed { ExitCode::FunctionError } else { ExitCode::Success })
}

/// A line for the AWS CLI, version 1 and 2: they disagree about the text of `--payload`, but not about `fileb://`.
fn aws_command(client: &Client, function: &Function) -> String {
    let payload = match &function.event {
        Event::File(path) => format!(" --payload {}", quoted(&format!("fileb://{}", path.display()))),
        Event::Empty | Event::Inline(_) => String::new(),
    };
    format!(
        "aws lambda invoke --endpoint-url {} --region {} --no-sign-request --function-name {}{payload} /dev/stdout",
        client.base(),
        client.region(),
        function.name,
    )
}

/// As a shell reads it.
fn quoted(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=@+,".contains(&byte));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_when_a_shell_would_split_them() {
        assert_eq!(quoted("fileb:///a/b-c.json"), "fileb:///a/b-c.json");
        assert_eq!(quoted("fileb:///a b/it's.json"), "'fileb:///a b/it'\\''s.json'");
    }
}
