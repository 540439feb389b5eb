//! Reads the figures out of a log's `REPORT` line.

/// What the `REPORT` line of one invoke says, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Report {
    /// The invoke phase.
    pub(crate) duration_ms: f64,
    /// The init phase, when this invoke was a cold start.
    pub(crate) init_ms: Option<f64>,
}

/// The last `REPORT` line of a log tail.
pub(crate) fn read(log: &str) -> Option<Report> {
    let line = log.lines().rev().find(|line| line.starts_with("REPORT "))?;
    let figure = |label: &str| {
        line.split('\t').find_map(|field| {
            let (name, value) = field.trim().split_once(": ")?;
            (name == label).then(|| value.split(' ').next()?.parse().ok()).flatten()
        })
    };
    Some(Report { duration_ms: figure("Duration")?, init_ms: figure("Init Duration") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_the_last_report_are_read() {
        let log = "START RequestId: a Version: $LATEST\nEND RequestId: a\n\
                   REPORT RequestId: a\tDuration: 1.25 ms\tBilled Duration: 60 ms\tMemory Size: 128 MB\tMax Memory Used: 31 MB\tInit Duration: 58.10 ms\t\n";
        assert_eq!(read(log), Some(Report { duration_ms: 1.25, init_ms: Some(58.1) }));
        let warm = "REPORT RequestId: b\tDuration: 0.80 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 31 MB\t\n";
        assert_eq!(read(warm), Some(Report { duration_ms: 0.8, init_ms: None }));
        assert_eq!(read("nothing of the kind"), None);
    }
}
