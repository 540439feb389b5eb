//! ListShards: the shards of a stream, all of them or those of a time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_model::ApiError;

use super::KinesisService;
use super::error::{in_use, invalid};
use super::names::{Named, shard_number};
use super::records::{Shard, Stream};
use crate::instant::from_seconds;

/// Shards of a page (AWS).
const PAGE: usize = 1_000;
/// A token is good for so long (AWS).
const TOKEN_LIFE_MS: u64 = 300_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShardsRequest {
    #[serde(flatten)]
    stream: Named,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<usize>,
    stream_creation_timestamp: Option<f64>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardFilter {
    r#type: String,
    shard_id: Option<String>,
    timestamp: Option<f64>,
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    stream: String,
    /// Number of the last shard of the page before.
    after: u32,
    wanted: Wanted,
    made_ms: UnixMs,
}

/// Which shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wanted {
    All,
    /// Those that took or held records at a time.
    OpenAt(UnixMs),
    /// Those that were open at a time or later.
    OpenSince(UnixMs),
    OpenNow,
}

impl Wanted {
    fn has(self, shard: &Shard) -> bool {
        match self {
            Self::All => true,
            Self::OpenAt(time_ms) => shard.created_ms <= time_ms && shard.is_open_at(time_ms),
            Self::OpenSince(time_ms) => shard.is_open_at(time_ms),
            Self::OpenNow => shard.closed.is_none(),
        }
    }
}

impl KinesisService {
    pub(super) async fn list_shards(&self, scope: &Scope, request: ListShardsRequest) -> Result<Value, ApiError> {
        let now_ms = self.now_ms();
        let size = request.max_results.unwrap_or(PAGE).min(PAGE);
        let (stream, after, wanted) = match &request.next_token {
            Some(token) => {
                let token = self.read_token(token, &request)?;
                let named = Named::by_arn(&super::stream_arn(scope, &token.stream));
                (self.named(scope, &named).await?, Some(token.after), token.wanted)
            }
            None => {
                let stream = self.named(scope, &request.stream).await?;
                check_created(&stream, request.stream_creation_timestamp)?;
                let (after, wanted) = request.begin(&stream, now_ms)?;
                (stream, after, wanted)
            }
        };
        let horizon_ms = stream.horizon_ms(now_ms);
        let kept = stream.shards.iter().filter(|shard| shard.is_open_at(horizon_ms) && wanted.has(shard));
        let mut page: Vec<&Shard> =
            kept.filter(|shard| after.is_none_or(|after| shard.number > after)).take(size + 1).collect();
        let has_more = page.len() > size;
        page.truncate(size);
        let mut output = json!({ "Shards": page.iter().map(|shard| shard.shown()).collect::<Vec<_>>() });
        if let Some(last) = page.last().filter(|_| has_more) {
            let token = Token { stream: stream.name.clone(), after: last.number, wanted, made_ms: now_ms };
            let token = serde_json::to_vec(&token).unwrap_or_default();
            output["NextToken"] = URL_SAFE_NO_PAD.encode(token).into();
        }
        Ok(output)
    }

    fn read_token(&self, token: &str, request: &ListShardsRequest) -> Result<Token, ApiError> {
        if request.stream.is_given() {
            return Err(invalid("NextToken and StreamName cannot be provided together."));
        }
        if request.exclusive_start_shard_id.is_some() || request.stream_creation_timestamp.is_some() {
            return Err(invalid(
                "NextToken cannot be provided together with ExclusiveStartShardId or StreamCreationTimestamp.",
            ));
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let token: Option<Token> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let token = token.ok_or_else(|| invalid("NextToken is not one that this operation gave out."))?;
        match self.now_ms().saturating_sub(token.made_ms) > TOKEN_LIFE_MS {
            true => Err(ApiError::new("ExpiredNextTokenException", "NextToken has expired; begin again without it.")),
            false => Ok(token),
        }
    }
}

/// A stream that was made anew under the same name is another one.
pub(super) fn check_created(stream: &Stream, created: Option<f64>) -> Result<(), ApiError> {
    let is_same =
        created.is_none_or(|created| from_seconds(created).is_some_and(|ms| ms / 1_000 == stream.created_ms / 1_000));
    match is_same {
        true => Ok(()),
        false => Err(in_use(format!("Stream {} was not created at StreamCreationTimestamp.", stream.name))),
    }
}

impl ListShardsRequest {
    /// The shard after which the list begins, and what it holds.
    fn begin(&self, stream: &Stream, now_ms: UnixMs) -> Result<(Option<u32>, Wanted), ApiError> {
        let number = |id: &String| shard_number(id).ok_or_else(|| invalid(format!("{id} is not the id of a shard.")));
        let after = self.exclusive_start_shard_id.as_ref().map(number).transpose()?;
        let Some(filter) = &self.shard_filter else { return Ok((after, Wanted::All)) };
        // Nothing is older than the stream.
        let horizon_ms = stream.horizon_ms(now_ms).max(stream.created_ms);
        let timestamp = || {
            let time_ms = filter.timestamp.and_then(from_seconds).filter(|time_ms| *time_ms <= now_ms);
            let time_ms = time_ms.ok_or_else(|| invalid("The filter needs a Timestamp that is not in the future."))?;
            Ok::<UnixMs, ApiError>(time_ms.max(horizon_ms))
        };
        let wanted = match filter.r#type.as_str() {
            "AFTER_SHARD_ID" => {
                let id =
                    filter.shard_id.as_ref().ok_or_else(|| invalid("The filter AFTER_SHARD_ID needs a ShardId."))?;
                return Ok((after.max(Some(number(id)?)), Wanted::All));
            }
            "AT_TRIM_HORIZON" => Wanted::OpenAt(horizon_ms),
            "FROM_TRIM_HORIZON" => Wanted::OpenSince(horizon_ms),
            "AT_TIMESTAMP" => Wanted::OpenAt(timestamp()?),
            "FROM_TIMESTAMP" => Wanted::OpenSince(timestamp()?),
            _ => Wanted::OpenNow,
        };
        Ok((after, wanted))
    }
}
