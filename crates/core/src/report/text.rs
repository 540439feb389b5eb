//! Lines of text, separated by tabs.

use std::time::Duration;

use super::{Line, Report, Restore, Status, hundredths};

pub(super) fn line(line: &Line<'_>) -> Option<String> {
    let line = match line {
        Line::InitStart(subject) => format!(
            "INIT_START Runtime Version: {}\tRuntime Version ARN: {}",
            subject.runtime_version, subject.runtime_version_arn
        ),
        Line::InitReport { duration, phase, status, .. } => {
            let head = format!("INIT_REPORT Init Duration: {} ms\tPhase: {}", ms(*duration), phase.as_str());
            with_ending(head, status)
        }
        Line::RestoreStart(subject) => format!(
            "RESTORE_START Runtime Version: {}\tRuntime Version ARN: {}",
            subject.runtime_version, subject.runtime_version_arn
        ),
        Line::RestoreDone { .. } | Line::SharedReport { .. } => return None,
        Line::RestoreReport { duration, status } => {
            with_ending(format!("RESTORE_REPORT Restore Duration: {} ms", ms(*duration)), status)
        }
        Line::Start { request_id, version } => format!("START RequestId: {request_id} Version: {version}"),
        Line::End { request_id, .. } => format!("END RequestId: {request_id}"),
        Line::Report(figures) => report(figures),
    };
    Some(line)
}

/// One trailing tab on a plain line, as AWS has it.
fn report(figures: &Report<'_>) -> String {
    let init = figures.init.map(|init| format!("Init Duration: {} ms\t", ms(init))).unwrap_or_default();
    let restore = figures.restore.map(restored).unwrap_or_default();
    format!(
        "REPORT RequestId: {}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t{init}{restore}{}",
        figures.request_id,
        ms(figures.duration),
        figures.billed_ms(),
        figures.memory_mb,
        figures.memory_used_mb(),
        ending(figures.status),
    )
}

fn restored(restore: Restore) -> String {
    let billed_ms = restore.billed_ms();
    format!("Restore Duration: {} ms\tBilled Restore Duration: {billed_ms} ms\t", ms(restore.duration))
}

fn with_ending(line: String, status: &Status) -> String {
    match status {
        Status::Success | Status::Failure(_) => line,
        status => format!("{line}\t{}", ending(status)),
    }
}

fn ending(status: &Status) -> String {
    match status {
        Status::Success | Status::Failure(_) => String::new(),
        Status::Error(error_type) => format!("Status: error\tError Type: {error_type}"),
        Status::Timeout => "Status: timeout".to_owned(),
    }
}

fn ms(duration: Duration) -> String {
    let hundredths = hundredths(duration);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
