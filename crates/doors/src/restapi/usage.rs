//! GetUsage and UpdateUsage, and the records of what keys have used of plans, one for each day.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};

use super::api_keys::no_key;
use super::changes::all;
use super::page::{Page, PageRequest};
use super::patch::{Op, PatchOperation, apply_all};
use super::plan_keys::{Member, memberships};
use super::records::key;
use super::usage_plans::{Period, Quota};
use super::{RestApiError, RestApiService};

/// Not below the other records: whoever watches those need not know of every request.
pub(super) const USAGE_PREFIX: &str = "restapi-usage/";
/// The longest time that is told of (AWS: 90 days).
const DAYS_MAX: i32 = 90;

/// What a key has used of a plan on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Used {
    /// Requests that were let in.
    pub(super) requests: u64,
    /// Requests that were given on top of the quota, or taken from it.
    pub(super) granted: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetRequest {
    usage_plan_id: String,
    key_id: Option<String>,
    start_date: String,
    end_date: String,
    #[serde(flatten)]
    page: PageRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRequest {
    usage_plan_id: String,
    key_id: String,
    patch_operations: Option<Vec<PatchOperation>>,
}

impl RestApiService {
    pub(super) async fn get_usage(&self, scope: &Scope, request: GetRequest) -> Result<Value, RestApiError> {
        let plan = self.plan(scope, &request.usage_plan_id).await?.value;
        let (first, last) = (date(&request.start_date)?, date(&request.end_date)?);
        let days = first.until(last).map_or(-1, |span| span.get_days());
        if !(0..DAYS_MAX).contains(&days) {
            return Err(RestApiError::bad(format!("The dates must be in order and at most {DAYS_MAX} days apart")));
        }
        let members = memberships(&self.store, scope).await?;
        let is_asked = |member: &Member| {
            member.plan_id == plan.id && request.key_id.as_ref().is_none_or(|key| *key == member.key_id)
        };
        let found = members.into_iter().map(|member| member.value).filter(is_asked);
        let Page { items: keys, position } =
            request.page.select(found.map(|member| (member.key_id.clone(), member)))?;
        let mut values = Map::new();
        for (key_id, _) in keys {
            let used = days_of(&self.store, scope, &plan.id, &key_id).await?;
            values.insert(key_id, told(&used, plan.quota, first, last));
        }
        let mut output = json!({
            "usagePlanId": plan.id,
            "startDate": request.start_date,
            "endDate": request.end_date,
            "values": values,
        });
        if let Some(position) = position {
            output["position"] = position.into();
        }
        Ok(output)
    }

    /// Gives a key as much as it is to have left in the period that is now.
    pub(super) async fn update_usage(&self, scope: &Scope, request: UpdateRequest) -> Result<Value, RestApiError> {
        let plan = self.plan(scope, &request.usage_plan_id).await?.value;
        let members = memberships(&self.store, scope).await?;
        let is_meant = |member: &Member| member.plan_id == plan.id && member.key_id == request.key_id;
        if !members.iter().any(|member| is_meant(&member.value)) {
            return Err(no_key());
        }
        let quota = plan.quota.ok_or_else(|| RestApiError::bad("The usage plan has no quota to change the rest of"))?;
        let mut wanted = None;
        apply_all(request.patch_operations.as_deref(), |patch| match (patch.op, patch.at().as_slice()) {
            (Op::Replace, ["remaining"]) => {
                wanted = Some(patch.number::<u32>()?);
                Ok(())
            }
            _ => Err(patch.unknown("/remaining")),
        })?;
        let today = day(self.clock.unix_ms());
        if let Some(wanted) = wanted {
            self.grant(scope, &plan.id, &request.key_id, quota, wanted, today).await?;
        }
        let used = days_of(&self.store, scope, &plan.id, &request.key_id).await?;
        Ok(json!({
            "usagePlanId": plan.id,
            "startDate": today.to_string(),
            "endDate": today.to_string(),
            "values": { request.key_id: told(&used, Some(quota), today, today) },
        }))
    }

    async fn grant(
        &self,
        scope: &Scope,
        plan: &str,
        api_key: &str,
        quota: Quota,
        wanted: u32,
        today: Date,
    ) -> Result<(), RestApiError> {
        self.commit(|| async {
            let key = key_of(scope, plan, api_key, today);
            let found: Option<Versioned<Used>> = self.store.metadata.get_json(&key).await?;
            let precondition =
                found.as_ref().map_or(Precondition::Absent, |found| Precondition::Revision(found.revision));
            let mut used = found.map(|found| found.value).unwrap_or_default();
            let days = days_of(&self.store, scope, plan, api_key).await?;
            used.granted += i64::from(wanted) - left(&days, quota, today);
            Ok((Batch::default().put_json(key, precondition, &used)?, ()))
        })
        .await
    }
}

impl Used {
    /// What it adds to what is left of a quota.
    pub(super) fn left_by(&self) -> i64 {
        self.granted - i64::try_from(self.requests).unwrap_or(i64::MAX)
    }
}

/// The key of one day's record.
pub(super) fn key_of(scope: &Scope, plan: &str, api_key: &str, day: Date) -> String {
    key(USAGE_PREFIX, scope, &[plan, api_key, &day.to_string()])
}

/// What a key has used of a plan, by days.
pub(super) async fn days_of(
    store: &Store,
    scope: &Scope,
    plan: &str,
    api_key: &str,
) -> Result<Vec<(Date, Used)>, StoreError> {
    let records: Vec<Versioned<Used>> = all(store, &key(USAGE_PREFIX, scope, &[plan, api_key, ""])).await?;
    let dated = records.into_iter().filter_map(|record| {
        let day = record.key.rsplit('/').next()?.parse().ok()?;
        Some((day, record.value))
    });
    Ok(dated.collect())
}

/// The day of a moment, by UTC.
pub(super) fn day(now_ms: UnixMs) -> Date {
    let time = Timestamp::from_millisecond(i64::try_from(now_ms).unwrap_or(i64::MAX)).unwrap_or_default();
    time.to_zoned(TimeZone::UTC).date()
}

/// The first day of the period that a day is in.
pub(super) fn period_start(quota: Quota, day: Date) -> Date {
    let offset = i32::try_from(quota.offset).unwrap_or(0);
    match quota.period {
        Period::Day => day,
        Period::Week => {
            let since_sunday = i32::from(day.weekday().since(Weekday::Sunday));
            day.saturating_sub((since_sunday - offset).rem_euclid(7).days())
        }
        Period::Month => {
            let begins = day.first_of_month().saturating_add(offset.days());
            if begins <= day {
                begins
            } else {
                day.first_of_month().saturating_sub(1.month()).saturating_add(offset.days())
            }
        }
    }
}

/// What is left of a quota at the end of a day; less than nothing when it was made smaller.
pub(super) fn left(days: &[(Date, Used)], quota: Quota, day: Date) -> i64 {
    let first = period_start(quota, day);
    let within = days.iter().filter(|(known, _)| (first..=day).contains(known));
    within.fold(i64::from(quota.limit), |left, (_, used)| left + used.left_by())
}

fn date(text: &str) -> Result<Date, RestApiError> {
    text.parse().map_err(|_| RestApiError::bad(format!("Invalid date: {text}. Use YYYY-MM-DD")))
}

/// For each day how much was used and what was left then.
fn told(days: &[(Date, Used)], quota: Option<Quota>, first: Date, last: Date) -> Value {
    let told = first.series(1.day()).take_while(|day| *day <= last).map(|day| {
        let used = days.iter().find(|(known, _)| *known == day).map_or(0, |(_, used)| used.requests);
        let left = quota.map_or(0, |quota| left(days, quota, day).max(0));
        json!([used, left])
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(period: Period, offset: u32) -> Quota {
        Quota { limit: 10, offset, period }
    }

    fn at(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn periods_begin_where_their_offsets_say() {
        // 30 November 2026 is a Monday.
        let day = at("2026-11-30");
        for (quota, start) in [
            (quota(Period::Day, 0), "2026-11-30"),
            (quota(Period::Week, 0), "2026-11-29"),
            (quota(Period::Week, 1), "2026-11-30"),
            (quota(Period::Week, 2), "2026-11-24"),
            (quota(Period::Month, 0), "2026-11-01"),
            (quota(Period::Month, 27), "2026-11-28"),
        ] {
            assert_eq!(period_start(quota, day), at(start), "{quota:?}");
        }
        assert_eq!(period_start(quota(Period::Month, 27), at("2026-03-05")), at("2026-02-28"));
        assert_eq!(period_start(quota(Period::Month, 4), at("2026-01-03")), at("2025-12-05"));
    }

    #[test]
    fn what_is_left_counts_the_period_alone() {
        let used = |requests, granted| Used { requests, granted };
        let days = [(at("2026-11-28"), used(7, 0)), (at("2026-11-29"), used(2, 0)), (at("2026-11-30"), used(3, 5))];
        assert_eq!(left(&days, quota(Period::Week, 0), at("2026-11-30")), 10 - 5 + 5);
        assert_eq!(left(&days, quota(Period::Day, 0), at("2026-11-29")), 8);
        let told = told(&days, Some(quota(Period::Day, 0)), at("2026-11-29"), at("2026-12-01"));
        assert_eq!(told, json!([[2, 8], [3, 12], [0, 10]]));
    }
}
