//! `PublishLayerVersion`: a new version, with the next number.

use serde_json::Value;
use tindra_core::layer::{LayerName, LayerVersion};
use tindra_model::Reply;
use tindra_model::lambda::layers::PublishLayerVersionRequest;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};

use crate::code_source::CodeMembers;
use crate::error::ControlError;
use crate::{Caller, Control, read_large, reply, unsupported};

const STATUS: u16 = 201;

impl Control {
    pub(crate) async fn publish_layer_version(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        unsupported::refuse(&input)?;
        let mut request: PublishLayerVersionRequest = read_large(input).await?;
        let layer = LayerName::parse(&request.layer_name, &caller.scope);
        if layer.scope != caller.scope {
            return Err(ControlError::invalid(
                "A layer can only be published in the account and region of the request.",
            ));
        }
        let content = std::mem::take(&mut request.content);
        let code = CodeMembers {
            zip_file: content.zip_file,
            bucket: content.s3_bucket,
            key: content.s3_key,
            version: content.s3_object_version,
        };
        let package = self.package(code, &caller.scope).await?;
        self.check_code_storage(&caller.scope, package.zip.len() as u64).await?;
        let upload = self.packages.upload(&self.store, &package).await?;
        let mut version = LayerVersion {
            scope: caller.scope.clone(),
            name: layer.name.clone(),
            version: 0,
            description: request.description.unwrap_or_default(),
            license: request.license_info,
            runtimes: request.compatible_runtimes.unwrap_or_default(),
            architectures: request.compatible_architectures.unwrap_or_default(),
            created_ms: self.clock.unix_ms(),
            code: upload.code.clone(),
        };
        let numbers = super::numbers_key(&layer);
        loop {
            let last: Option<Versioned<u64>> = self.store.metadata.get_json(&numbers).await?;
            let precondition = last.as_ref().map_or(Precondition::Absent, |last| Precondition::Revision(last.revision));
            version.version = last.map_or(0, |last| last.value) + 1;
            let batch = Batch::default().put_json(numbers.clone(), precondition, &version.version)?.put_json(
                layer.key(version.version),
                Precondition::Absent,
                &version,
            )?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    let answer = reply(self.layer_response(caller, &version).await?)?;
                    return Ok(Reply { status: Some(STATUS), ..answer });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
