//! An API as requests need it: its stages with their routes ready to be chosen from.
//!
//! It is made anew at each change. What is counted or remembered for requests (throttling, answers of authorizers) goes
//! on where what it belongs to has not changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tindra_core::door::{Cors, IdentitySource, RouteKey, RouteTable, SelectionExpression};
use tindra_core::function::Scope;

use super::authorizer_cache::AuthorizerCache;
use super::jwks::IssuerKeys;
use super::records::{Api, Authorization, Authorizer, AuthorizerKind, Definition, Integration, Protocol, Stage};
use super::throttle::{Limit, Throttle};
use super::websocket::rules;

/// An API that is served.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) id: String,
    pub(super) scope: Scope,
    pub(super) is_endpoint_disabled: bool,
    /// What tells the route of a message; none for an HTTP API.
    pub(super) selection: Option<SelectionExpression>,
    pub(super) stages: HashMap<String, ServedStage>,
}

/// A stage that is served.
#[derive(Debug)]
pub(super) struct ServedStage {
    pub(super) name: String,
    pub(super) routes: RouteTable<Arc<ServedRoute>>,
    /// Of a WebSocket API, by their keys.
    pub(super) message_routes: HashMap<String, Arc<ServedRoute>>,
    pub(super) cors: Option<Cors>,
    pub(super) variables: Vec<(String, String)>,
    /// By the keys of their routes, for the next one to take over.
    throttles: HashMap<String, Arc<Throttle>>,
    /// By their ids.
    authorizers: HashMap<String, Arc<ServedAuthorizer>>,
}

/// A route that is served.
#[derive(Debug)]
pub(super) struct ServedRoute {
    /// `None` for a route without a target.
    pub(super) integration: Option<Integration>,
    pub(super) authorization: Authorization,
    pub(super) authorizer: Option<Arc<ServedAuthorizer>>,
    pub(super) throttle: Option<Arc<Throttle>>,
    pub(super) has_detailed_metrics: bool,
    /// Of a WebSocket API: what the function answers goes to the client.
    pub(super) is_two_way: bool,
}

/// An authorizer that is asked.
#[derive(Debug)]
pub(super) struct ServedAuthorizer {
    pub(super) id: String,
    pub(super) kind: AuthorizerKind,
    pub(super) sources: Vec<IdentitySource>,
    /// Of a Lambda authorizer.
    pub(super) cache: AuthorizerCache,
    /// Of a JWT authorizer.
    pub(super) keys: IssuerKeys,
    /// What the remembered answers belong to.
    origin: (Authorizer, BTreeMap<String, String>, u64),
}

impl Serving {
    /// `deployed` is what the deployments that stages have chosen serve; `before` the same API as it was.
    pub(super) fn new(api: &Api, deployed: &HashMap<String, Definition>, before: Option<&Self>) -> Self {
        let nothing = Definition::default();
        let stages = api.stages.iter().map(|(name, stage)| {
            let definition = match (&stage.deployment, stage.is_auto_deployed) {
                (_, true) => &api.definition,
                (Some(id), false) => deployed.get(id).unwrap_or(&nothing),
                (None, false) => &nothing,
            };
            let before = before.and_then(|before| before.stages.get(name));
            (name.clone(), ServedStage::new(name, (stage, api.protocol), definition, before))
        });
        Self {
            id: api.id.clone(),
            scope: api.scope.clone(),
            is_endpoint_disabled: api.is_endpoint_disabled,
            // The control plane let no other expression in.
            selection: (api.protocol == Protocol::WebSocket)
                .then(|| api.route_selection_expression.parse().ok())
                .flatten(),
            stages: stages.collect(),
        }
    }
}

impl ServedStage {
    fn new(name: &str, of: (&Stage, Protocol), definition: &Definition, before: Option<&Self>) -> Self {
        let (stage, protocol) = of;
        let mut message_routes = HashMap::new();
        let mut throttles = HashMap::new();
        let mut authorizers = HashMap::new();
        for (id, authorizer) in &definition.authorizers {
            let before = before.and_then(|before| before.authorizers.get(id));
            authorizers.insert(id.clone(), ServedAuthorizer::new(id, authorizer, stage, before));
        }
        let mut routes = Vec::new();
        for route in definition.routes.values() {
            let own = stage.route_settings.get(&route.key).copied().unwrap_or_default();
            let default = stage.default_settings;
            let limit = Limit {
                burst: own.throttling_burst.or(default.throttling_burst),
                rate_per_s: own.throttling_rate.or(default.throttling_rate),
            };
            let throttle = limit.is_set().then(|| {
                let kept = before.and_then(|before| before.throttles.get(&route.key));
                let kept = kept.filter(|throttle| throttle.limit() == limit).cloned();
                kept.unwrap_or_else(|| Arc::new(Throttle::new(limit)))
            });
            throttles.extend(throttle.clone().map(|throttle| (route.key.clone(), throttle)));
            let integration = route.integration.as_ref().and_then(|id| definition.integrations.get(id)).cloned();
            let authorizer = route.authorization.authorizer().and_then(|id| authorizers.get(id)).cloned();
            let served = ServedRoute {
                integration,
                authorization: route.authorization.clone(),
                authorizer,
                throttle,
                is_two_way: rules::is_two_way(route),
                has_detailed_metrics: own.has_detailed_metrics.or(default.has_detailed_metrics).unwrap_or(false),
            };
            let served = Arc::new(served);
            match (protocol, RouteKey::parse(&route.key)) {
                (Protocol::WebSocket, _) => drop(message_routes.insert(route.key.clone(), served)),
                (Protocol::Http, Ok(key)) => routes.push((key, served)),
                // The control plane let no such key in.
                (Protocol::Http, Err(_)) => {}
            }
        }
        Self {
            name: name.to_owned(),
            routes: RouteTable::new(routes),
            message_routes,
            cors: definition.cors.as_ref().map(|cors| Cors {
                allow_credentials: cors.allow_credentials.unwrap_or(false),
                allow_headers: cors.allow_headers.clone().unwrap_or_default(),
                allow_methods: cors.allow_methods.clone().unwrap_or_default(),
                allow_origins: cors.allow_origins.clone().unwrap_or_default(),
                expose_headers: cors.expose_headers.clone().unwrap_or_default(),
                // -1 is for a browser's own time.
                max_age_s: cors.max_age.and_then(|seconds| u32::try_from(seconds).ok()),
            }),
            variables: stage.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            throttles,
            authorizers,
        }
    }

    /// The value of a stage variable.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    }
}

impl ServedAuthorizer {
    fn new(id: &str, authorizer: &Authorizer, stage: &Stage, before: Option<&Arc<Self>>) -> Arc<Self> {
        let origin = (authorizer.clone(), stage.variables.clone(), stage.authorizer_cache_epoch);
        if let Some(before) = before.filter(|before| before.origin == origin) {
            return Arc::clone(before);
        }
        // The control plane let no other source in.
        let sources = authorizer.identity_sources.iter().filter_map(|source| source.parse().ok()).collect();
        let (id, kind) = (id.to_owned(), authorizer.kind.clone());
        let (cache, keys) = (AuthorizerCache::default(), IssuerKeys::default());
        Arc::new(Self { id, kind, sources, cache, keys, origin })
    }
}
