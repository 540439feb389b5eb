//! `VpcConfig`: the subnets and security groups of the operator's configuration that a function is in.

use tindra_core::function::NetworkMembership;
use tindra_model::lambda::functions::VpcConfig;

use crate::Control;
use crate::error::ControlError;

impl Control {
    /// What a request says about it: `None` when nothing, `Some(None)` when the function is to be in no network.
    pub(crate) fn membership(
        &self,
        config: Option<VpcConfig>,
    ) -> Result<Option<Option<NetworkMembership>>, ControlError> {
        let Some(config) = config else { return Ok(None) };
        if config.ipv6_allowed_for_dual_stack == Some(true) {
            return Err(ControlError::invalid(
                "VpcConfig.Ipv6AllowedForDualStack: functions have no IPv6; leave it out or set it to false.",
            ));
        }
        let subnet_ids = config.subnet_ids.unwrap_or_default();
        let security_group_ids = config.security_group_ids.unwrap_or_default();
        if subnet_ids.is_empty() && security_group_ids.is_empty() {
            return Ok(Some(None));
        }
        if subnet_ids.is_empty() || security_group_ids.is_empty() {
            return Err(ControlError::invalid("SubnetIds and SecurityIds must coexist or be both empty list."));
        }
        let networks = self.options.networks.as_ref();
        let of_subnets = subnet_ids.iter().map(|id| {
            let vpc = networks.and_then(|networks| networks.vpc_of_subnet(id));
            vpc.ok_or_else(|| missing("DescribeSubnets", "InvalidSubnetID", &format!("The subnet ID '{id}'")))
        });
        let of_groups = security_group_ids.iter().map(|id| {
            let vpc = networks.and_then(|networks| networks.vpc_of_security_group(id));
            vpc.ok_or_else(|| missing("DescribeSecurityGroups", "InvalidGroup", &format!("The security group '{id}'")))
        });
        let mut vpc_ids: Vec<String> = of_subnets.chain(of_groups).collect::<Result<_, _>>()?;
        vpc_ids.sort();
        vpc_ids.dedup();
        match vpc_ids.as_slice() {
            [vpc_id] => Ok(Some(Some(NetworkMembership { vpc_id: vpc_id.clone(), subnet_ids, security_group_ids }))),
            several => Err(ControlError::Invalid(format!(
                "Subnets and security groups are required to be in the same VPC; these are in {}.",
                several.join(" and ")
            ))),
        }
    }
}

/// In the words of AWS, which asks EC2.
fn missing(operation: &str, code: &str, what: &str) -> ControlError {
    ControlError::Invalid(format!(
        "Error occurred while {operation}. EC2 Error Code: {code}.NotFound. EC2 Error Message: {what} does not exist"
    ))
}
