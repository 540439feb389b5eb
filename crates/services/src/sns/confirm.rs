//! ConfirmSubscription: an endpoint shows that it wants the messages. One that does not is forgotten.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_model::ApiError;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Message, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::arn::TopicName;
use super::error::{denied, failure, invalid};
use super::records::{Pending, Subscription};
use super::{SnsService, parse};
use crate::Asker;
use crate::outbox::{Rung, alarm};

/// How long an endpoint may take to confirm (AWS: two days).
const PENDING_MS: u64 = 2 * 86_400_000;
/// The queue of the alarms by which subscriptions are forgotten that nobody confirmed.
pub(super) const UNCONFIRMED: &str = "sns/unconfirmed/";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    topic_arn: String,
    token: String,
    authenticate_on_unsubscribe: Option<String>,
}

/// What a subscription waits for from now on.
pub(super) fn new_pending(now_ms: UnixMs) -> Pending {
    let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    Pending { token, until_ms: now_ms + PENDING_MS }
}

/// What comes back when nobody has confirmed.
pub(super) fn pending_alarm(subscription: &Subscription, pending: &Pending, now_ms: UnixMs) -> Message {
    alarm(UNCONFIRMED.to_owned(), pending.until_ms, subscription.key(), Bytes::new(), now_ms)
}

impl SnsService {
    pub(super) async fn confirm_subscription(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: Request = parse(input)?;
        let topic = self.served(asker.scope, TopicName::parse(&request.topic_arn, "TopicArn")?, "TopicArn")?;
        self.confirm(&topic, request, true).await
    }

    /// Confirms for somebody who follows the link in a message.
    pub(super) async fn confirm_unsigned(&self, input: Value) -> Result<Value, ApiError> {
        let request: Request = parse(input)?;
        let topic = TopicName::parse(&request.topic_arn, "TopicArn")?;
        self.confirm(&topic, request, false).await
    }

    async fn confirm(&self, topic: &TopicName, request: Request, is_signed: bool) -> Result<Value, ApiError> {
        let guards = request.authenticate_on_unsubscribe.is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if guards && !is_signed {
            return Err(denied("AuthenticateOnUnsubscribe needs a signed request"));
        }
        loop {
            self.table().catch_up().await?;
            let known = self.table().topic(topic)?;
            let now_ms = self.around().timer.unix_ms();
            let all = self.table().subscriptions(&known.topic);
            let found = all.iter().find(|one| {
                let pending = one.subscription.pending.as_ref();
                pending.is_some_and(|pending| pending.token == request.token && pending.until_ms > now_ms)
            });
            let Some(found) = found else {
                // Who follows the link twice is told the same.
                let confirmed = all.iter().find(|one| one.subscription.confirmed_by.as_deref() == Some(&request.token));
                let confirmed = confirmed.ok_or_else(|| invalid("Invalid token"))?;
                return Ok(json!({ "SubscriptionArn": confirmed.subscription.arn() }));
            };
            let mut confirmed = found.subscription.clone();
            confirmed.confirmed_by = confirmed.pending.take().map(|pending| pending.token);
            confirmed.was_authenticated = is_signed;
            confirmed.authenticates_unsubscribe = guards;
            let precondition = Precondition::Revision(found.revision);
            let batch = Batch::default().put_json(confirmed.key(), precondition, &confirmed);
            match self.commit(batch).await {
                Ok(()) => return Ok(json!({ "SubscriptionArn": confirmed.arn() })),
                Err(StoreError::Conflict { .. } | StoreError::OutcomeUnknown { .. }) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    /// Forgets a subscription that nobody has confirmed in time.
    pub(super) async fn forget_unconfirmed(&self, alarm: &Message) -> Rung {
        let key = String::from_utf8_lossy(&alarm.head).into_owned();
        let now_ms = self.around().timer.unix_ms();
        let is_over = |one: &Subscription| one.pending.as_ref().is_some_and(|pending| pending.until_ms <= now_ms);
        match self.around().store.metadata.get_json::<Subscription>(&key).await {
            Ok(Some(Versioned { value, revision, .. })) if is_over(&value) => {
                Rung { batch: Batch::default().delete(key, Precondition::Revision(revision)), ..Rung::default() }
            }
            Ok(_) => Rung::default(),
            Err(_) => Rung { again: Some((now_ms + 60_000, alarm.head.clone())), ..Rung::default() },
        }
    }
}
