//! How queues are called: names, ARNs, URLs, and the mailboxes that they have.

use tindra_core::function::Scope;
use tindra_model::ApiError;
use uuid::Uuid;

use super::error::invalid;

/// What the names of mailboxes of queues begin with.
pub(super) const MAILBOX_PREFIX: &str = "sqs/";
const LETTERS_MAX: usize = 80;
const FIFO_SUFFIX: &str = ".fifo";

/// Refuses what cannot be the name of a queue of this kind.
pub(super) fn check(name: &str, wants_fifo: bool) -> Result<(), ApiError> {
    let stem = if wants_fifo { name.strip_suffix(FIFO_SUFFIX) } else { Some(name) };
    let is_plain = |stem: &str| stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match stem {
        Some(stem) if !stem.is_empty() && name.len() <= LETTERS_MAX && is_plain(stem) => Ok(()),
        _ if wants_fifo => Err(invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.",
        )),
        _ => Err(invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")),
    }
}

/// The ARN of a queue.
#[must_use]
pub fn arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:sqs:{}:{}:{name}", scope.region, scope.account)
}

/// Scope and name of an ARN.
#[must_use]
pub fn of_arn(arn: &str) -> Option<(Scope, &str)> {
    let mut fields = arn.splitn(6, ':');
    let (begin, _, service) = (fields.next()?, fields.next()?, fields.next()?);
    let (region, account, name) = (fields.next()?.to_owned(), fields.next()?.to_owned(), fields.next()?);
    let is_queue = begin == "arn" && service == "sqs" && !name.is_empty() && !name.contains(['/', ':']);
    is_queue.then_some((Scope { account, region }, name))
}

pub(super) fn url(endpoint: &str, account: &str, name: &str) -> String {
    format!("{endpoint}/{account}/{name}")
}

/// Account and name of a URL, whatever its host and whatever stands before them.
#[must_use]
pub fn of_url(url: &str) -> Option<(&str, &str)> {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let mut segments = path.trim_end_matches('/').rsplit('/');
    let (name, account) = (segments.next()?, segments.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && !name.is_empty()).then_some((account, name))
}

/// The mailbox of a queue; another one after each purge.
pub(super) fn mailbox(scope: &Scope, name: &str, generation: Uuid) -> String {
    format!("{MAILBOX_PREFIX}{}/{}/{name}/{}", scope.account, scope.region, generation.simple())
}

/// Whose mailbox it is.
pub(super) fn of_mailbox(mailbox: &str) -> Option<(Scope, &str, Uuid)> {
    let mut parts = mailbox.strip_prefix(MAILBOX_PREFIX)?.split('/');
    let (account, region) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let (name, generation) = (parts.next()?, parts.next()?.parse().ok()?);
    Some((Scope { account, region }, name, generation))
}
