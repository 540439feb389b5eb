//! How many batches of a queue are worked on at once (AWS, "Configuring scaling behavior for SQS event source mappings").

use super::MappingSettings;
use crate::clock::UnixMs;

/// Batches at once in the beginning.
const AT_FIRST: u32 = 5;
/// As few as these while the function fails.
const LEAST: u32 = 2;
/// At most, where the mapping names no maximum.
const MOST: u32 = 1_250;
/// More of them in a second while the queue has more than is worked on: 300 a minute.
const GROWTH_PER_S: f64 = 5.0;
/// Batches at once of one provisioned poller.
const OF_A_POLLER: u32 = 10;
/// More of them in a second with provisioned pollers: 1,000 a minute.
const GROWTH_OF_POLLERS_PER_S: f64 = 1_000.0 / 60.0;
/// The next step down comes no sooner.
const STEP_DOWN_MS: u64 = 1_000;

/// The limit of one mapping, moved by what its batches come to.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueScaling {
    limit: f64,
    at_first: u32,
    least: u32,
    most: u32,
    growth_per_s: f64,
    /// Failures lower it; not where the function reports which records failed.
    heeds_failures: bool,
    grown_ms: Option<UnixMs>,
    lowered_ms: Option<UnixMs>,
}

impl QueueScaling {
    /// As a mapping begins.
    #[must_use]
    pub fn new(settings: &MappingSettings) -> Self {
        let (at_first, least, most, growth_per_s) = match &settings.provisioned_pollers {
            Some(pollers) => {
                let least = pollers.minimum.saturating_mul(OF_A_POLLER);
                (least, least, pollers.maximum.saturating_mul(OF_A_POLLER), GROWTH_OF_POLLERS_PER_S)
            }
            None => {
                let most = settings.maximum_concurrency.unwrap_or(MOST);
                (AT_FIRST.min(most), LEAST.min(most), most, GROWTH_PER_S)
            }
        };
        Self {
            limit: f64::from(at_first),
            at_first,
            least,
            most,
            growth_per_s,
            heeds_failures: !settings.reports_item_failures,
            grown_ms: None,
            lowered_ms: None,
        }
    }

    /// Batches that may be worked on at once.
    #[must_use]
    pub fn limit(&self) -> usize {
        // Between two whole numbers of 32 bits.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between two such numbers")]
        let limit = self.limit as u32;
        limit.clamp(self.least, self.most) as usize
    }

    /// The queue has more than is worked on.
    pub fn has_more(&mut self, now_ms: UnixMs) {
        let since_ms = now_ms.saturating_sub(self.grown_ms.unwrap_or(now_ms));
        // A minute at most: what passed while nothing was asked for is no reason to jump.
        let growth = self.growth_per_s * since_ms.min(60_000) as f64 / 1_000.0;
        self.limit = (self.limit + growth).min(f64::from(self.most));
        self.grown_ms = Some(now_ms);
    }

    /// The queue is empty.
    pub fn is_empty(&mut self) {
        self.limit = self.limit.min(f64::from(self.at_first));
        self.grown_ms = None;
    }

    /// The function failed, or had no concurrency left.
    pub fn failed(&mut self, now_ms: UnixMs) {
        let lately = self.lowered_ms.is_some_and(|lowered_ms| now_ms < lowered_ms + STEP_DOWN_MS);
        if self.heeds_failures && !lately {
            self.limit = (self.limit / 2.0).max(f64::from(self.least));
            self.lowered_ms = Some(now_ms);
            self.grown_ms = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::event_source_mapping::{ProvisionedPollers, SourceKind};

    fn settings() -> MappingSettings {
        MappingSettings::new(SourceKind::Sqs, Uuid::nil())
    }

    #[test]
    fn a_long_queue_gets_more_and_an_empty_one_less() {
        let mut scaling = QueueScaling::new(&settings());
        assert_eq!(scaling.limit(), 5);
        for second in 0..=60 {
            scaling.has_more(second * 1_000);
        }
        assert_eq!(scaling.limit(), 305);
        for second in 61..1_000 {
            scaling.has_more(second * 1_000);
        }
        assert_eq!(scaling.limit(), 1_250);
        scaling.is_empty();
        assert_eq!(scaling.limit(), 5);
    }

    #[test]
    fn a_function_that_fails_gets_less_unless_it_says_what_failed() {
        let mut scaling = QueueScaling::new(&settings());
        for second in 0..=60 {
            scaling.has_more(second * 1_000);
        }
        scaling.failed(60_000);
        scaling.failed(60_500);
        assert_eq!(scaling.limit(), 152, "at most once in a second");
        for second in 61..100 {
            scaling.failed(second * 1_000);
        }
        assert_eq!(scaling.limit(), 2);
        let mut telling = QueueScaling::new(&MappingSettings { reports_item_failures: true, ..settings() });
        telling.failed(0);
        assert_eq!(telling.limit(), 5);
    }

    #[test]
    fn bounds_hold() {
        let mut few = QueueScaling::new(&MappingSettings { maximum_concurrency: Some(3), ..settings() });
        few.has_more(0);
        few.has_more(600_000);
        assert_eq!(few.limit(), 3);
        let pollers = Some(ProvisionedPollers { minimum: 2, maximum: 4, group: None });
        let mut provisioned = QueueScaling::new(&MappingSettings { provisioned_pollers: pollers, ..settings() });
        provisioned.failed(0);
        assert_eq!(provisioned.limit(), 20);
        provisioned.has_more(0);
        provisioned.has_more(60_000);
        assert_eq!(provisioned.limit(), 40);
    }
}
