//! Tags of streams and of consumers.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_model::ApiError;

use super::KinesisService;
use super::error::{invalid, missing};
use super::names::{Named, consumer_of_arn};
use super::records::{Stream, Tags};

/// Tags of one thing (AWS).
const TAGS_MAX: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamTagsRequest {
    #[serde(flatten)]
    stream: Named,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    tag_keys: Vec<String>,
    exclusive_start_tag_key: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResourceTagsRequest {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "Tags", default)]
    tags: Tags,
    #[serde(rename = "TagKeys", default)]
    keys: Vec<String>,
}

/// Tags with some more.
pub(super) fn merged(mut tags: Tags, more: Tags) -> Result<Tags, ApiError> {
    let is_plain = |text: &str| {
        text.chars().all(|letter| letter.is_alphanumeric() || letter.is_whitespace() || "_./=+-%@:".contains(letter))
    };
    if more.keys().any(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid("Tag keys must not begin with aws:, which is reserved."));
    }
    if !more.iter().all(|(key, value)| is_plain(key) && is_plain(value)) {
        return Err(invalid(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :.",
        ));
    }
    tags.extend(more);
    match tags.len() > TAGS_MAX {
        true => Err(invalid(format!("A resource cannot have more than {TAGS_MAX} tags associated with it."))),
        false => Ok(tags),
    }
}

fn without(mut tags: Tags, keys: &[String]) -> Tags {
    tags.retain(|key, _| !keys.contains(key));
    tags
}

fn shown<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Vec<Value> {
    tags.into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

impl KinesisService {
    pub(super) async fn add_tags(&self, scope: &Scope, request: StreamTagsRequest) -> Result<Value, ApiError> {
        self.edit_stream_tags(scope, &request.stream, |tags| merged(tags, request.tags.clone())).await
    }

    pub(super) async fn remove_tags(&self, scope: &Scope, request: StreamTagsRequest) -> Result<Value, ApiError> {
        self.edit_stream_tags(scope, &request.stream, |tags| Ok(without(tags, &request.tag_keys))).await
    }

    pub(super) async fn list_stream_tags(&self, scope: &Scope, request: StreamTagsRequest) -> Result<Value, ApiError> {
        let stream = self.named(scope, &request.stream).await?;
        let size = request.limit.unwrap_or(TAGS_MAX);
        let after = request.exclusive_start_tag_key.as_ref();
        let later: Vec<_> = stream.tags.iter().filter(|(key, _)| after.is_none_or(|after| *key > after)).collect();
        let has_more = later.len() > size;
        Ok(json!({ "Tags": shown(later.into_iter().take(size)), "HasMoreTags": has_more }))
    }

    pub(super) async fn tag(&self, scope: &Scope, request: ResourceTagsRequest) -> Result<Value, ApiError> {
        self.edit_tags(scope, &request.arn, |tags| merged(tags, request.tags.clone())).await
    }

    pub(super) async fn untag(&self, scope: &Scope, request: ResourceTagsRequest) -> Result<Value, ApiError> {
        self.edit_tags(scope, &request.arn, |tags| Ok(without(tags, &request.keys))).await
    }

    pub(super) async fn list_tags(&self, scope: &Scope, request: ResourceTagsRequest) -> Result<Value, ApiError> {
        if request.arn.contains("/consumer/") {
            let consumer = self.consumer_at(scope, &request.arn).await?.value;
            return Ok(json!({ "Tags": shown(&consumer.tags) }));
        }
        let stream = self.named(scope, &named(&request.arn)?).await?;
        Ok(json!({ "Tags": shown(&stream.tags) }))
    }

    async fn edit_tags(
        &self,
        scope: &Scope,
        arn: &str,
        edit: impl Fn(Tags) -> Result<Tags, ApiError>,
    ) -> Result<Value, ApiError> {
        if consumer_of_arn(arn).is_none() {
            return self.edit_stream_tags(scope, &named(arn)?, edit).await;
        }
        self.change_consumer(scope, arn, |consumer| {
            consumer.tags = edit(std::mem::take(&mut consumer.tags))?;
            Ok(())
        })
        .await
        .map(|()| json!({}))
    }

    async fn edit_stream_tags(
        &self,
        scope: &Scope,
        named: &Named,
        edit: impl Fn(Tags) -> Result<Tags, ApiError>,
    ) -> Result<Value, ApiError> {
        let edit = |stream: &mut Stream| {
            stream.tags = edit(std::mem::take(&mut stream.tags))?;
            Ok(json!({}))
        };
        self.change(scope, named, edit).await
    }
}

/// The stream of an ARN; there are no channels and queues here.
fn named(arn: &str) -> Result<Named, ApiError> {
    match arn.split(':').nth(5).is_some_and(|resource| resource.starts_with("stream/")) {
        true => Ok(Named::by_arn(arn)),
        false => Err(missing(format!("{arn} is no stream or consumer."))),
    }
}
