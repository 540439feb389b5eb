//! Which API a request to a function URL or an HTTP API belongs to.

use super::Authorizer;
use crate::door::Door2;

/// What the door knows of a request beyond the request itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HttpCall<'a> {
    /// Whether it is a function URL or an HTTP API: their events differ in small ways.
    pub door: Door2,
    /// The API's owner; for function URLs the caller's account, `anonymous` for unsigned requests.
    pub account_id: &'a str,
    /// The API's or the URL's id.
    pub api_id: &'a str,
    /// `$default` for URLs.
    pub stage: &'a str,
    /// The route that was taken, for example `GET /pets/{id}`; `$default` for URLs.
    pub route_key: &'a str,
    /// Decoded, in order of the path ([`RouteMatch::path_parameters`](crate::door::RouteMatch)).
    pub path_parameters: &'a [(String, String)],
    /// The stage's variables.
    pub stage_variables: &'a [(String, String)],
    /// Who was let in; none for open routes.
    pub authorizer: Option<&'a Authorizer>,
}
