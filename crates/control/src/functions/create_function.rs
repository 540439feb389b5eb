//! `CreateFunction`: a new function, pending until a machine has prepared it.

use serde_json::Value;
use tindra_core::function::{Deployment, Function, RecursiveLoop, RuntimeUpdate, State, UpdateStatus, Version};
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::functions::CreateFunctionRequest;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};
use uuid::Uuid;

use crate::change::creating;
use crate::code_source::CodeMembers;
use crate::error::ControlError;
use crate::layers::check_sizes;
use crate::settings::{self, Settings};
use crate::shape::View;
use crate::versions::Numbered;
use crate::{Caller, Control, read_large, reply, tags, unsupported};

impl Control {
    pub(crate) async fn create_function(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        unsupported::refuse(&input)?;
        let mut request: CreateFunctionRequest = read_large(input).await?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?.name;
        let architecture = settings::check_architectures(request.architectures.as_deref())?;
        let publish = request.publish == Some(true);
        let code_signing_config_arn = request.code_signing_config_arn.take();
        let code = std::mem::take(&mut request.code);
        let code = CodeMembers {
            zip_file: code.zip_file,
            bucket: code.s3_bucket,
            key: code.s3_key,
            version: code.s3_object_version,
        };
        let tags = request.tags.take().unwrap_or_default();
        let layers = request.layers.take().unwrap_or_default();
        let membership = self.membership(request.vpc_config.take())?;
        self.check_capacity_provider(&caller.scope, request.capacity_provider_config.as_ref()).await?;
        let mut configuration = Settings::from(request).create(&name, architecture)?;
        tags::check(&tags)?;
        let key = Function::key(&caller.scope, &name);
        if self.store.metadata.get(&key).await?.is_some() {
            return Err(ControlError::AlreadyExists { name });
        }
        configuration.network = membership.flatten();
        configuration.layers = self.layer_references(caller, &layers).await?;
        let package = self.package(code, &caller.scope).await?;
        check_sizes(package.unzipped_bytes, &configuration)?;
        let copies = if publish { 2 } else { 1 };
        self.check_code_storage(&caller.scope, copies * package.zip.len() as u64).await?;
        let upload = self.packages.upload(&self.store, &package).await?;
        // Again while nothing is swept, so that their content stays.
        configuration.layers = self.layer_references(caller, &layers).await?;
        let function = Function {
            id: Uuid::new_v4(),
            scope: caller.scope.clone(),
            name,
            version: Version::Latest,
            revision_id: Uuid::new_v4(),
            last_modified_ms: self.clock.unix_ms(),
            state: State::Pending,
            state_reason: Some(creating()),
            update_status: UpdateStatus::InProgress,
            update_reason: Some(creating()),
            desired: Deployment { generation: Uuid::new_v4(), code: upload.code.clone(), configuration },
            serving: None,
            tags,
            reserved_concurrency: None,
            recursive_loop: RecursiveLoop::default(),
            code_signing_config_arn,
            published_from: None,
            runtime_update: RuntimeUpdate::default(),
        };
        loop {
            let batch = Batch::default().put_json(key.clone(), Precondition::Absent, &function)?;
            let batch = match &function.code_signing_config_arn {
                Some(arn) => self.use_code_signing(batch, &caller.scope, &function.name, arn).await?,
                None => batch,
            };
            let (answer, batch) = match publish {
                true => {
                    let Numbered { version, batch, .. } = self.number(&function, None, batch).await?;
                    (version, batch)
                }
                false => (function.clone(), batch),
            };
            match self.store.metadata.commit(batch).await {
                Ok(_) => return reply(self.configuration(&answer, View { is_new: true, ..View::default() })),
                Err(StoreError::Conflict { key: lost }) if lost == key => {
                    return Err(ControlError::AlreadyExists { name: function.name });
                }
                // The number was given to a namesake that has gone meanwhile, or the code signing configuration
                // has changed.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
