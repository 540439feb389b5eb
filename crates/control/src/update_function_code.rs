//! `UpdateFunctionCode`: the old code serves until the new one has been prepared.

use serde::Deserialize;
use serde_json::Value;
use tindra_core::function::{Architecture, Function};
use tindra_core::name::FunctionName;
use tindra_model::Reply;

use crate::change::check_changeable;
use crate::error::ControlError;
use crate::package::code;
use crate::settings::check_architectures;
use crate::shape::View;
use crate::{Caller, Control, read, sha256_hex, unsupported};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    function_name: String,
    zip_file: Option<String>,
    architectures: Option<Vec<Architecture>>,
    #[serde(default)]
    dry_run: bool,
    revision_id: Option<String>,
}

impl Control {
    pub(crate) async fn update_function_code(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        unsupported::refuse(&input)?;
        let request: Request = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let architectures = request.architectures.as_deref();
        let architecture = architectures.map(|given| check_architectures(Some(given))).transpose()?;
        let revision_id = request.revision_id.as_deref();
        // Said before fifty megabytes are looked at; it is checked again when the change is made.
        let now = self.find(&caller.scope, &name).await?.value;
        check_changeable(&now, revision_id)?;
        let zip = self.packages.read(request.zip_file).await?;
        let edit = |function: &mut Function, code| {
            function.desired.code = code;
            if let Some(architecture) = architecture {
                function.desired.configuration.architecture = architecture;
            }
        };
        if request.dry_run {
            let mut function = now;
            let sha256 = sha256_hex(&zip);
            edit(&mut function, code(&zip, sha256));
            return Ok(Reply::new(self.configuration(&function, View::default())?));
        }
        let upload = self.packages.upload(&self.store, zip).await?;
        let function = self
            .change(&caller.scope, &name, revision_id, |function| {
                edit(function, upload.code.clone());
                Ok(())
            })
            .await?;
        Ok(Reply::new(self.configuration(&function, View::default())?))
    }
}
