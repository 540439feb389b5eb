//! Telling destinations and dead-letter queues: tried until it works or the word is too old.

use std::sync::Arc;

use tindra_core::async_invoke::refusal_wait_ms;
use tindra_core::clock::Timer;
use tindra_core::limits;
use tindra_store::{Batch, Leased, MessageChange, Store};

use crate::dispatcher::Worked;
use crate::lanes::Settled;
use crate::ports::{Deliver, Delivery, Purpose};
use crate::{figures, steps};

/// Prefix of the queues of deliveries: one for each function and target, so that a target that is away delays no other.
pub(crate) const DELIVERY_PREFIX: &str = "delivery/";

/// The queue of a delivery.
pub(crate) fn queue(delivery: &Delivery) -> String {
    let Delivery { scope, function_name, target_arn, .. } = delivery;
    format!("{DELIVERY_PREFIX}{}/{}/{function_name}/{target_arn}", scope.account, scope.region)
}

/// The largest record that a target takes (AWS: SNS and EventBridge 256 KB, SQS and asynchronous invokes 1 MB). An entry
/// for a bus is counted as a whole: 14 bytes for its time, source and detail type, and the two ARNs that it is about.
pub(crate) fn bytes_max(target_arn: &str, function_arn: &str) -> usize {
    const SMALL: usize = 262_144;
    const ENTRY: usize = 14 + "lambda".len() + "Lambda Function Invocation Result - Success".len();
    match target_arn.split(':').nth(2) {
        Some("sns") => SMALL,
        Some("events") => SMALL - ENTRY - target_arn.len() - function_arn.len(),
        Some("sqs" | "lambda") => limits::ASYNC_REQUEST_BYTES_MAX,
        _ => usize::MAX,
    }
}

/// Delivers what waits.
#[derive(Debug)]
pub(crate) struct Deliveries {
    pub(crate) store: Store,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) deliver: Arc<dyn Deliver>,
}

impl Deliveries {
    /// Tries a delivery once.
    pub(crate) async fn attempt(&self, leased: Leased) -> Worked {
        let mut delivery: Delivery = match steps::understand(&self.store, &leased, self.timer.unix_ms()).await {
            Ok(delivery) => delivery,
            Err(worked) => return worked,
        };
        delivery.attempts = delivery.attempts.saturating_add(1);
        let outcome = self.deliver.deliver(&delivery, leased.message.body.clone()).await;
        let Err(error) = outcome else { return self.complete(&leased).await };
        let Delivery { scope, function_name, .. } = &delivery;
        match delivery.purpose {
            Purpose::DeadLetter { .. } => figures::dead_letter_failed(scope, function_name),
            Purpose::Record { .. } | Purpose::Shard { .. } => figures::delivery_failed(scope, function_name),
        }
        let now_ms = self.timer.unix_ms();
        let target = &delivery.target_arn;
        if now_ms.saturating_sub(delivery.at_ms) >= limits::DELIVERY_AGE_MS_MAX {
            figures::delivery_given_up(scope, function_name);
            tracing::error!(
                function = function_name,
                target,
                reason = error.message,
                "a delivery is given up: too old"
            );
            return self.complete(&leased).await;
        }
        tracing::warn!(
            function = function_name,
            target,
            attempts = delivery.attempts,
            reason = error.message,
            "a delivery has failed; trying again"
        );
        delivery.last_error = Some(error.message);
        let due_ms =
            (now_ms + refusal_wait_ms(delivery.attempts)).min(delivery.at_ms + limits::DELIVERY_AGE_MS_MAX).max(now_ms);
        // A target that is away is tried by one at a time, and takes no places from what goes elsewhere.
        steps::give_back(&self.store, leased.lease, &delivery, due_ms, true).await
    }

    async fn complete(&self, leased: &Leased) -> Worked {
        steps::settle(&self.store, Batch::default().message(MessageChange::Complete(leased.lease))).await;
        Worked { settled: Settled::default(), filled: Vec::new() }
    }
}
