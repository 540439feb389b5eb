//! `tindra delete`: removes a function.

use crate::arguments::DeleteArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{api, output};

pub(crate) async fn run(arguments: DeleteArguments) -> Result<ExitCode, Failure> {
    let client = arguments.endpoint.client()?;
    let name = &arguments.name;
    if !arguments.yes {
        match output::confirm(&format!("Delete {name} from {}?", client.base()))? {
            Some(true) => {}
            Some(false) => {
                output::note("nothing was deleted");
                return Ok(ExitCode::Failure);
            }
            None => {
                return Err(Failure::usage(format!("deleting {name} wants a yes, and nobody can be asked here"))
                    .or_hint(format!("tindra delete {name} --yes")));
            }
        }
    }
    api::delete(&client, name).await?;
    output::note(&format!("deleted {name}"));
    Ok(ExitCode::Success)
}
