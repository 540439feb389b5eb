//! Layers: one file per operation, what they share here.

mod delete_layer_version;
mod list_layers;
mod permissions;
mod publish_layer_version;
mod read_layer_version;
mod references;

pub(crate) use references::check_sizes;

use tindra_core::function::Scope;
use tindra_core::layer::{LayerName, LayerVersion};
use tindra_model::lambda::layers::{GetLayerVersionResponse, LayerVersionContentOutput, LayerVersionsListItem};
use tindra_store::JsonRecords as _;

use crate::error::ControlError;
use crate::shape::{code_sha256, last_modified, whole};
use crate::{Caller, Control};

impl Control {
    /// A version of a layer; none when there is none.
    async fn layer_version(&self, layer: &LayerName, version: u64) -> Result<Option<LayerVersion>, ControlError> {
        Ok(self.store.metadata.get_json(&layer.key(version)).await?.map(|record| record.value))
    }

    /// The same of the caller's own account, as a request names it.
    async fn own_layer_version(
        &self,
        caller: &Caller,
        layer: &str,
        version: i64,
    ) -> Result<LayerVersion, ControlError> {
        let (layer, version) = named(layer, version, &caller.scope)?;
        let missing = || ControlError::Missing(format!("Layer version {} does not exist.", layer.version_arn(version)));
        if layer.scope != caller.scope {
            return Err(missing());
        }
        self.layer_version(&layer, version).await?.ok_or_else(missing)
    }

    /// With a link to the content.
    async fn layer_response(
        &self,
        caller: &Caller,
        version: &LayerVersion,
    ) -> Result<GetLayerVersionResponse, ControlError> {
        let token = self.links.token(&self.store, &version.code.sha256, self.clock.unix_ms()).await?;
        let item = list_item(version);
        Ok(GetLayerVersionResponse {
            content: Some(LayerVersionContentOutput {
                location: Some(format!("{}/_tindra/code/{token}", caller.endpoint)),
                code_sha256: Some(code_sha256(&version.code.sha256)),
                code_size: Some(whole(version.code.size_bytes)),
                ..LayerVersionContentOutput::default()
            }),
            layer_arn: Some(version.layer().arn()),
            layer_version_arn: item.layer_version_arn,
            description: item.description,
            created_date: item.created_date,
            version: item.version,
            compatible_architectures: item.compatible_architectures,
            compatible_runtimes: item.compatible_runtimes,
            license_info: item.license_info,
        })
    }
}

/// A version of a layer as lists show it.
fn list_item(version: &LayerVersion) -> LayerVersionsListItem {
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    LayerVersionsListItem {
        layer_version_arn: Some(version.layer().version_arn(version.version)),
        version: Some(whole(version.version)),
        description: Some(version.description.clone()),
        created_date: Some(last_modified(version.created_ms)),
        compatible_architectures: some(&version.architectures),
        compatible_runtimes: some(&version.runtimes),
        license_info: version.license.clone(),
    }
}

/// The layer and the number of a request.
fn named(layer: &str, version: i64, here: &Scope) -> Result<(LayerName, u64), ControlError> {
    let number = u64::try_from(version).ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| ControlError::invalid("Layer Version Cannot be less than 1"))?;
    Ok((LayerName::parse(layer, here), number))
}

/// The prefix of the keys of the records that say which numbers the layers of a scope have given away.
fn numbers_prefix(scope: &Scope) -> String {
    format!("layer-numbers/{}/{}/", scope.account, scope.region)
}

/// The key of a layer's. It outlives the versions, so that no number is given twice.
fn numbers_key(layer: &LayerName) -> String {
    format!("{}{}", numbers_prefix(&layer.scope), layer.name)
}

fn not_found() -> ControlError {
    ControlError::Missing("The resource you requested does not exist.".to_owned())
}
