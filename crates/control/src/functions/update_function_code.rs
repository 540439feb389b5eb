//! `UpdateFunctionCode`: the old code serves until the new one has been prepared.

use serde_json::Value;
use tindra_core::function::Function;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::code::UpdateFunctionCodeRequest;

use crate::change::check_changeable;
use crate::code_source::CodeMembers;
use crate::error::ControlError;
use crate::layers::check_sizes;
use crate::package::code;
use crate::settings::check_architectures;
use crate::shape::View;
use crate::{Caller, Control, read_large, reply, sha256_hex, unsupported};

impl Control {
    pub(crate) async fn update_function_code(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        unsupported::refuse(&input)?;
        let request: UpdateFunctionCodeRequest = read_large(input).await?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let architectures = request.architectures.as_deref();
        let architecture = architectures.map(|given| check_architectures(Some(given))).transpose()?;
        let revision_id = request.revision_id.as_deref();
        let publish = request.publish == Some(true);
        // Said before fifty megabytes are looked at; it is checked again when the change is made.
        let now = self.find(&caller.scope, &name).await?.value;
        check_changeable(&now, revision_id)?;
        let members = CodeMembers {
            zip_file: request.zip_file,
            bucket: request.s3_bucket,
            key: request.s3_key,
            version: request.s3_object_version,
        };
        let package = self.package(members, &caller.scope).await?;
        check_sizes(package.unzipped_bytes, &now.desired.configuration)?;
        let edit = |function: &mut Function, code| {
            function.desired.code = code;
            if let Some(architecture) = architecture {
                function.desired.configuration.architecture = architecture;
            }
        };
        if request.dry_run == Some(true) {
            let mut function = now;
            let sha256 = sha256_hex(&package.zip);
            edit(&mut function, code(&package, sha256));
            return reply(self.configuration(&function, View::default()));
        }
        let size = package.zip.len() as u64;
        let grows_by = size.saturating_sub(now.desired.code.size_bytes);
        let copy = if publish { size } else { 0 };
        self.check_code_storage(&caller.scope, grows_by + copy).await?;
        let upload = self.packages.upload(&self.store, &package).await?;
        let function = self
            .change(&caller.scope, &name, revision_id, publish, |function| {
                edit(function, upload.code.clone());
                check_sizes(upload.code.unzipped_bytes, &function.desired.configuration)
            })
            .await?;
        let number = function.version.to_string();
        reply(self.configuration(&function, View { qualifier: publish.then_some(&number), ..View::default() }))
    }
}
