//! CreateDomainName, GetDomainName, GetDomainNames, UpdateDomainName and DeleteDomainName.
//!
//! A custom domain name leads requests to stages by their `Host`. Where the name leads to is the business of DNS, and
//! the certificate that clients see is the server's.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::apigatewayv2::domain_names::{
    CreateDomainNameRequest, DomainNameConfiguration, UpdateDomainNameRequest,
};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};

use super::page::PageRequest;
use super::records::{DOMAIN_PREFIX, DomainName, domain_key};
use super::shown::{host, members};
use super::{HttpApiError, HttpApis, Named, ids, parse, tags, unserved};

const ATTEMPTS_MAX: usize = 32;

impl HttpApis {
    pub(super) async fn answer_domain_names(
        &self,
        scope: &Scope,
        operation: &str,
        input: Value,
    ) -> Result<Value, HttpApiError> {
        match operation {
            "CreateDomainName" => self.create_domain(scope, parse(input)?).await,
            "GetDomainName" => {
                let named: Named = parse(input)?;
                Ok(shown(&self.domain(scope, &named.domain_name).await?.value))
            }
            "GetDomainNames" => self.get_domains(scope, parse(input)?).await,
            "UpdateDomainName" => self.update_domain(scope, parse(input)?).await,
            _ => self.delete_domain(scope, parse(input)?).await,
        }
    }

    async fn create_domain(&self, scope: &Scope, request: CreateDomainNameRequest) -> Result<Value, HttpApiError> {
        unserved::members(
            &[("MutualTlsAuthentication", request.mutual_tls_authentication.is_some())],
            "clients are not asked for certificates",
        )?;
        check_routing(request.routing_mode.as_deref())?;
        let name = request.domain_name.to_ascii_lowercase();
        check_name(&name)?;
        let certificate = certificate(request.domain_name_configurations.unwrap_or_default())?;
        if self.domains_of(scope).await?.len() >= limits::HTTP_API_DOMAIN_NAMES_MAX {
            return Err(HttpApiError::limit("Domain names", "account and region", limits::HTTP_API_DOMAIN_NAMES_MAX));
        }
        let mut domain = DomainName {
            target: host(&format!("d-{}", ids::new(ids::API)), &scope.region),
            name,
            scope: scope.clone(),
            certificate,
            tags: BTreeMap::new(),
            mappings: BTreeMap::new(),
        };
        tags::add(&mut domain.tags, request.tags.unwrap_or_default())?;
        let batch = Batch::default().put_json(domain_key(&domain.name), Precondition::Absent, &domain)?;
        match self.store.metadata.commit(batch).await {
            Ok(_) => Ok(shown(&domain)),
            Err(StoreError::Conflict { .. }) => {
                Err(HttpApiError::conflict("The domain name you provided already exists."))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn get_domains(&self, scope: &Scope, page: PageRequest) -> Result<Value, HttpApiError> {
        let domains = self.domains_of(scope).await?;
        page.cut(domains.into_iter().map(|domain| (domain.name.clone(), shown(&domain))))
    }

    async fn update_domain(&self, scope: &Scope, request: UpdateDomainNameRequest) -> Result<Value, HttpApiError> {
        unserved::members(
            &[("MutualTlsAuthentication", request.mutual_tls_authentication.is_some())],
            "clients are not asked for certificates",
        )?;
        check_routing(request.routing_mode.as_deref())?;
        let certificate = request.domain_name_configurations.map(certificate).transpose()?;
        let edit = |domain: &mut DomainName| {
            if let Some(certificate) = &certificate {
                domain.certificate.clone_from(certificate);
            }
            Ok(())
        };
        Ok(shown(&self.change_domain(scope, &request.domain_name, edit).await?.1))
    }

    async fn delete_domain(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let record = self.domain(scope, &named.domain_name).await?;
        let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
        self.store.metadata.commit(batch).await?;
        Ok(json!({}))
    }

    /// A custom domain name of an account and region.
    pub(super) async fn domain(&self, scope: &Scope, name: &str) -> Result<Versioned<DomainName>, HttpApiError> {
        let key = domain_key(&name.to_ascii_lowercase());
        let found: Option<Versioned<DomainName>> = self.store.metadata.get_json(&key).await?;
        let unknown = || HttpApiError::not_found("Invalid domain name identifier specified");
        found.filter(|record| record.value.scope == *scope).ok_or_else(unknown)
    }

    async fn domains_of(&self, scope: &Scope) -> Result<Vec<DomainName>, HttpApiError> {
        let all: Vec<Versioned<DomainName>> = self.all(DOMAIN_PREFIX).await?;
        Ok(all.into_iter().map(|record| record.value).filter(|domain| domain.scope == *scope).collect())
    }

    /// Changes a custom domain name, and gives what the edit gave and the name as it is then.
    pub(super) async fn change_domain<T>(
        &self,
        scope: &Scope,
        name: &str,
        edit: impl Fn(&mut DomainName) -> Result<T, HttpApiError>,
    ) -> Result<(T, DomainName), HttpApiError> {
        for _ in 0..ATTEMPTS_MAX {
            let record = self.domain(scope, name).await?;
            let mut domain = record.value;
            let outcome = edit(&mut domain)?;
            let batch = Batch::default().put_json(record.key, Precondition::Revision(record.revision), &domain)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok((outcome, domain)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(HttpApiError::concurrent())
    }

    /// Refuses when a custom domain name leads to an API, or to one stage of it.
    pub(super) async fn check_unmapped(&self, api: &str, stage: Option<&str>) -> Result<(), HttpApiError> {
        let all: Vec<Versioned<DomainName>> = self.all(DOMAIN_PREFIX).await?;
        let leads = |domain: &&DomainName| {
            domain.mappings.values().any(|to| to.api == api && stage.is_none_or(|stage| to.stage == stage))
        };
        match all.iter().map(|record| &record.value).find(leads) {
            Some(domain) => Err(HttpApiError::conflict(format!(
                "The domain name {} has an API mapping to it; delete that first.",
                domain.name
            ))),
            None => Ok(()),
        }
    }
}

/// A host name, whose first label may be `*`.
fn check_name(name: &str) -> Result<(), HttpApiError> {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match name.len() <= 253 && plain.contains('.') && plain.split('.').all(is_label) {
        true => Ok(()),
        false => Err(HttpApiError::invalid(format!("Invalid domain name '{name}'."))),
    }
}

fn check_routing(mode: Option<&str>) -> Result<(), HttpApiError> {
    let is_other = mode.is_some_and(|mode| mode != "API_MAPPING_ONLY");
    unserved::members(&[("RoutingMode other than API_MAPPING_ONLY", is_other)], "use API mappings")
}

/// The certificate of the one configuration that a name has.
fn certificate(configurations: Vec<DomainNameConfiguration>) -> Result<String, HttpApiError> {
    let mut all = configurations.into_iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return Err(HttpApiError::invalid("DomainNameConfigurations must have one configuration."));
    };
    let is_other = |given: &Option<String>, only: &str| given.as_ref().is_some_and(|given| given != only);
    unserved::members(
        &[
            ("EndpointType EDGE", is_other(&one.endpoint_type, "REGIONAL")),
            ("SecurityPolicy other than TLS_1_2", is_other(&one.security_policy, "TLS_1_2")),
            ("IpAddressType dualstack", is_other(&one.ip_address_type, "ipv4")),
            ("OwnershipVerificationCertificateArn", one.ownership_verification_certificate_arn.is_some()),
        ],
        "names are served by the server's own listener",
    )?;
    one.certificate_arn
        .filter(|arn| arn.starts_with("arn:"))
        .ok_or_else(|| HttpApiError::invalid("CertificateArn is required in DomainNameConfigurations."))
}

fn shown(domain: &DomainName) -> Value {
    members(json!({
        "ApiMappingSelectionExpression": "$request.basepath",
        "DomainName": domain.name,
        "DomainNameArn": format!("arn:aws:apigateway:{}::/domainnames/{}", domain.scope.region, domain.name),
        "DomainNameConfigurations": [{
            "ApiGatewayDomainName": domain.target,
            "CertificateArn": domain.certificate,
            "DomainNameStatus": "AVAILABLE",
            "EndpointType": "REGIONAL",
            "IpAddressType": "ipv4",
            "SecurityPolicy": "TLS_1_2",
        }],
        "RoutingMode": "API_MAPPING_ONLY",
        "Tags": domain.tags,
    }))
}
