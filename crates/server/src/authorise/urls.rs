//! Who may call a function URL.
//!
//! The function's policy has to allow both `lambda:InvokeFunctionUrl`, which sees the URL's `AuthType`, and
//! `lambda:InvokeFunction`, which sees that it goes by a URL (AWS, since October 2025); for identities of the owner's account
//! their own policies can. With auth off nothing is refused, except an unsigned request to a URL that wants signatures.

use tindra_core::door::IamIdentity;
use tindra_core::function_url::{FunctionUrl, UrlAuth};
use tindra_core::name::FunctionName;
use tindra_core::policy::{self, Context, Decision, Request, Requester, evaluate};
use tindra_model::ApiError;
use tindra_services::iam;

use super::{Asker, Authoriser, Held, facts};
use crate::auth::{Authenticator, Who};
use crate::config::Auth;
use crate::edge::Backends;

/// What both actions must be allowed for.
const ACTIONS: [&str; 2] = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"];

impl Authoriser {
    /// Whether somebody may call a URL: nobody in particular, or, of a URL that wants signatures, who signed.
    ///
    /// # Errors
    /// What the parts behind say when they fail.
    pub(crate) async fn may_call_url<B: Backends>(
        &self,
        backends: &B,
        authenticator: &Authenticator,
        url: &FunctionUrl,
        asker: Option<Asker<'_>>,
    ) -> Result<bool, ApiError> {
        if authenticator.kind() == Auth::Off {
            return Ok(true);
        }
        let function = FunctionName { name: url.function_name.clone(), qualifier: url.alias.clone() };
        let own_policy = backends.resource_policy(&url.scope, &function).await?;
        let (held, requester, context) = match asker {
            None => (Held::default(), Requester::Anonymous, Context::default()),
            Some(asker) => {
                let held = self.held(authenticator, asker).await?;
                let requester = held.requester(asker);
                let context = facts::of_asker(asker, &requester, &held.tags);
                (held, requester, context)
            }
        };
        let context = context
            .with("lambda:FunctionUrlAuthType", url.auth.as_str())
            .with("lambda:InvokedViaFunctionUrl", "true")
            .with("lambda:FunctionArn", url.function_arn());
        let resource = url.function_arn();
        Ok(ACTIONS.iter().all(|action| {
            let request = Request { requester: &requester, action, resource: &resource, context: &context };
            match requester {
                Requester::Anonymous => evaluate(request, own_policy.as_deref()) == Decision::Allowed,
                _ => {
                    policy::authorise(request, held.holdings(), own_policy.as_deref(), &url.scope.account).is_allowed()
                }
            }
        }))
    }
}

/// Whether a URL is for signed requests only.
pub(crate) fn wants_signature(url: &FunctionUrl) -> bool {
    url.auth == UrlAuth::AwsIam
}

/// Who signed, as events show it.
pub(crate) fn shown(who: &Who) -> IamIdentity {
    let identity = &who.identity;
    let (caller_id, user_id) = match &identity.who {
        iam::Who::Role { name, session_name } => {
            let id = format!("{name}:{session_name}");
            (id.clone(), id)
        }
        iam::Who::User(name) => (name.clone(), name.clone()),
        iam::Who::Root => (identity.account.clone(), identity.account.clone()),
    };
    IamIdentity {
        access_key: identity.access_key_id.clone().unwrap_or_default(),
        account_id: identity.account.clone(),
        caller_id,
        cognito_identity: None,
        principal_org_id: None,
        user_arn: identity.arn(),
        user_id,
    }
}
