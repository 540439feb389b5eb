//! `ListLayers` and `ListLayerVersions`, the newest version first.

use serde_json::Value;
use tindra_core::layer::{LayerName, LayerVersion};
use tindra_model::Reply;
use tindra_model::lambda::layers::{
    LayersListItem, ListLayerVersionsRequest, ListLayerVersionsResponse, ListLayersRequest, ListLayersResponse,
};

use super::{list_item, numbers_prefix};
use crate::error::ControlError;
use crate::paging::{page_limit, read_marker, write_marker};
use crate::{Caller, Control, read, reply};

/// What the versions of an answer must be compatible with.
struct Wanted {
    runtime: Option<String>,
    architecture: Option<String>,
}

impl Wanted {
    /// A version that names no runtimes or architectures fits none in particular (AWS).
    fn fits(&self, version: &LayerVersion) -> bool {
        let has = |list: &[String], wanted: &Option<String>| wanted.as_ref().is_none_or(|name| list.contains(name));
        has(&version.runtimes, &self.runtime) && has(&version.architectures, &self.architecture)
    }
}

impl Control {
    pub(crate) async fn list_layers(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListLayersRequest = read(input)?;
        let wanted = Wanted { runtime: request.compatible_runtime, architecture: request.compatible_architecture };
        let limit = page_limit(request.max_items);
        let prefix = numbers_prefix(&caller.scope);
        let mut after = request.marker.as_deref().map(read_marker).transpose()?.map(|name| format!("{prefix}{name}"));
        let mut layers: Vec<(String, LayersListItem)> = Vec::new();
        // One more than asked for tells whether there is more.
        while layers.len() <= limit {
            let names = self.store.metadata.list(&prefix, after.as_deref(), limit + 1).await?;
            let is_last = names.len() <= limit;
            after = names.last().map(|record| record.key.clone());
            for record in names {
                let name = record.key[prefix.len()..].to_owned();
                let layer = LayerName { scope: caller.scope.clone(), name: name.clone() };
                let versions: Vec<LayerVersion> = self.all(&layer.key_prefix()).await?;
                if let Some(latest) = versions.iter().rev().find(|version| wanted.fits(version)) {
                    let item = LayersListItem {
                        layer_name: Some(name.clone()),
                        layer_arn: Some(layer.arn()),
                        latest_matching_version: Some(list_item(latest)),
                    };
                    layers.push((name, item));
                }
            }
            if is_last {
                break;
            }
        }
        let has_more = layers.len() > limit;
        layers.truncate(limit);
        let next_marker = layers.last().filter(|_| has_more).map(|(name, _)| write_marker(name));
        reply(ListLayersResponse { layers: Some(layers.into_iter().map(|(_, item)| item).collect()), next_marker })
    }

    pub(crate) async fn list_layer_versions(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListLayerVersionsRequest = read(input)?;
        let layer = LayerName::parse(&request.layer_name, &caller.scope);
        let wanted = Wanted { runtime: request.compatible_runtime, architecture: request.compatible_architecture };
        let before = request.marker.as_deref().map(read_marker).transpose()?;
        let before: u64 = before.and_then(|number| number.parse().ok()).unwrap_or(u64::MAX);
        let limit = page_limit(request.max_items);
        let mut versions: Vec<LayerVersion> = match layer.scope == caller.scope {
            true => self.all(&layer.key_prefix()).await?,
            false => Vec::new(),
        };
        versions.retain(|version| version.version < before && wanted.fits(version));
        versions.reverse();
        let has_more = versions.len() > limit;
        versions.truncate(limit);
        let last = versions.last().filter(|_| has_more);
        reply(ListLayerVersionsResponse {
            next_marker: last.map(|last| write_marker(&last.version.to_string())),
            layer_versions: Some(versions.iter().map(list_item).collect()),
        })
    }
}
