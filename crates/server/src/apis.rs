//! What fits API Gateway's ports to the rest of the server.

use std::net::IpAddr;
use std::sync::Arc;

use tindra_control::Control;
use tindra_core::function::Scope;
use tindra_core::name::{self, FunctionReference};
use tindra_doors::apigateway::Roles;
use tindra_outside::anywhere::Reach;
use tindra_store::BoxFuture;
use tindra_worker::network::EgressPolicy;
use tindra_worker::network::egress_policy::Decision;

use crate::authorise::{OnBehalf, RoleAuthority};

/// Who fetches for the owner of an API may connect to what functions may connect to.
#[derive(Debug)]
pub(crate) struct ReachOfFunctions(pub(crate) EgressPolicy);

impl Reach for ReachOfFunctions {
    fn check(&self, address: IpAddr) -> Result<(), String> {
        match self.0.decide_here(address) {
            Decision::Allowed => Ok(()),
            Decision::Denied(why) => Err(why.to_owned()),
        }
    }
}

/// What a role may do, IAM says, and of a function of another account its policy, too.
#[derive(Debug)]
pub(crate) struct RolesOfIam {
    /// `None` where nothing is checked.
    pub(crate) authority: Option<RoleAuthority>,
    pub(crate) control: Arc<Control>,
}

impl Roles for RolesOfIam {
    fn may_invoke<'a>(&'a self, role: &'a str, api: &'a str, function: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(authority) = &self.authority else { return true };
            let Ok(reference) = FunctionReference::parse(function) else { return false };
            let (Some(account), Some(region)) = (reference.account, reference.region) else { return false };
            let owner = Scope { account: account.to_owned(), region: region.to_owned() };
            let policy = match self.control.resource_policy(&owner, reference.name, reference.qualifier).await {
                Ok(policy) => policy,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, function, "a policy could not be read");
                    return false;
                }
            };
            let on_behalf = OnBehalf { role, service: "apigateway.amazonaws.com", session: api };
            let resource = name::arn(&owner, reference.name, reference.qualifier);
            let checked =
                authority.check_service(on_behalf, "lambda:InvokeFunction", &resource, policy.as_deref()).await;
            checked.inspect_err(|why| tracing::info!(api, role, why, "an API's role may not run its function")).is_ok()
        })
    }
}
