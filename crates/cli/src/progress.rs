//! Shows that something is under way: a bar on a terminal, plain lines in a pipe.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// Frames per second of the moving part: enough to look alive.
const TICK: Duration = Duration::from_millis(120);
/// The bar counts in thousandths.
const WHOLE: u64 = 1_000;

/// One task that may take longer than a second. Dropping it clears the bar.
#[derive(Debug)]
pub(crate) struct Task {
    what: String,
    bar: Option<ProgressBar>,
    said: Mutex<String>,
}

impl Task {
    /// A task whose end cannot be foreseen.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self::with_template(what.into(), "{spinner} {prefix}: {wide_msg} {elapsed}")
    }

    /// A task that tells how far it has come.
    pub(crate) fn measured(what: impl Into<String>) -> Self {
        Self::with_template(what.into(), "{spinner} {prefix} [{bar:24}] {wide_msg} {elapsed}")
    }

    fn with_template(what: String, template: &str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(WHOLE), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { what, bar, said: Mutex::default() }
    }

    /// What is being done now. In a pipe each new step is a line.
    pub(crate) fn step(&self, step: &str) {
        if let Some(bar) = &self.bar {
            return bar.set_message(step.to_owned());
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != step {
            step.clone_into(&mut said);
            output::note(&format!("{}: {step}", self.what));
        }
    }
}

impl tindra_server::runtimes::Progress for Task {
    fn step(&self, step: &str, fraction: f32) {
        if let Some(bar) = &self.bar {
            let thousandths = (f64::from(fraction.clamp(0.0, 1.0)) * WHOLE as f64) as u64;
            bar.set_position(thousandths);
        }
        Self::step(self, step);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
