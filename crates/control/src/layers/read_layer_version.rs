//! `GetLayerVersion` and `GetLayerVersionByArn`. The latter reaches what another account shares.

use serde_json::Value;
use tindra_core::layer::LayerName;
use tindra_model::Reply;
use tindra_model::lambda::layers::{GetLayerVersionByArnRequest, GetLayerVersionRequest};

use super::{named, not_found};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn get_layer_version(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetLayerVersionRequest = read(input)?;
        let (layer, version) = named(&request.layer_name, request.version_number, &caller.scope)?;
        self.shared_layer_version(caller, &layer, version).await
    }

    pub(crate) async fn get_layer_version_by_arn(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetLayerVersionByArnRequest = read(input)?;
        match LayerName::parse_arn(&request.arn) {
            Some((layer, Some(version))) => self.shared_layer_version(caller, &layer, version).await,
            _ => Err(not_found()),
        }
    }

    async fn shared_layer_version(
        &self,
        caller: &Caller,
        layer: &LayerName,
        version: u64,
    ) -> Result<Reply, ControlError> {
        if layer.scope.region != caller.scope.region || !self.may_use_layer(&caller.scope, layer, version).await? {
            return Err(not_found());
        }
        let found = self.layer_version(layer, version).await?.ok_or_else(not_found)?;
        reply(self.layer_response(caller, &found).await?)
    }
}
