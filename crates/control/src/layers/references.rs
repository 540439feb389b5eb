//! `Layers` of a function: which versions of which layers it uses.

use tindra_core::function::{Configuration, LayerReference};
use tindra_core::layer::LayerName;
use tindra_core::limits;

use crate::error::ControlError;
use crate::{Caller, Control};

/// Layers of one function (AWS).
const LAYERS_MAX: usize = 5;

impl Control {
    /// The layers that a request names. To be called, and used, while nothing is swept.
    pub(crate) async fn layer_references(
        &self,
        caller: &Caller,
        arns: &[String],
    ) -> Result<Vec<LayerReference>, ControlError> {
        if arns.len() > LAYERS_MAX {
            return Err(ControlError::Invalid(format!("Cannot reference more than {LAYERS_MAX} layers.")));
        }
        let mut known: Vec<LayerName> = Vec::new();
        let mut references: Vec<LayerReference> = Vec::new();
        for arn in arns {
            let missing = || ControlError::Invalid(format!("Layer version {arn} does not exist."));
            let Some((layer, Some(version))) = LayerName::parse_arn(arn) else { return Err(missing()) };
            if layer.scope.region != caller.scope.region {
                return Err(ControlError::Invalid(format!(
                    "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                    caller.scope.region
                )));
            }
            if let Some(at) = known.iter().position(|other| *other == layer) {
                return Err(ControlError::Invalid(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. {} and {arn} are versions of the same layer.",
                    references[at].arn
                )));
            }
            if !self.may_use_layer(&caller.scope, &layer, version).await? {
                return Err(ControlError::Refused {
                    code: "AccessDeniedException",
                    message: format!(
                        "User: arn:aws:iam::{}:root is not authorized to perform: lambda:GetLayerVersion on resource: {arn} because no resource-based policy allows the lambda:GetLayerVersion action",
                        caller.scope.account
                    ),
                });
            }
            let found = self.layer_version(&layer, version).await?.ok_or_else(missing)?;
            references.push(LayerReference { arn: arn.clone(), code: found.code });
            known.push(layer);
        }
        Ok(references)
    }
}

/// Refuses layers that are too large together with the code.
pub(crate) fn check_sizes(unzipped_bytes: u64, configuration: &Configuration) -> Result<(), ControlError> {
    let layers = configuration.layers.iter().map(|layer| layer.code.unzipped_bytes).sum::<u64>();
    if configuration.layers.is_empty() || unzipped_bytes + layers <= limits::UNZIPPED_BYTES_MAX {
        return Ok(());
    }
    Err(ControlError::Invalid(format!(
        "Layers consume more than the available size of {} bytes",
        limits::UNZIPPED_BYTES_MAX
    )))
}
