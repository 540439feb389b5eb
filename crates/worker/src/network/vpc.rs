//! Subnets and security groups of the operator's configuration: which private addresses a function that is in
//! them may reach.
//!
//! A function reaches an address when one of its subnets leads there and one of its security groups lets it out
//! to that address and port, as in a VPC. A group or a subnet that is not configured (any more) allows nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use tindra_core::function::NetworkMembership;

use super::cidr::Cidr;

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// The VPC that it belongs to.
    pub vpc_id: String,
    /// Where it leads.
    pub networks: Vec<Cidr>,
}

/// A rule of a security group for connections out.
#[derive(Clone, Debug)]
pub struct EgressRule {
    /// To which addresses.
    pub network: Cidr,
    /// To which ports.
    pub ports: RangeInclusive<u16>,
}

/// A security group.
#[derive(Clone, Debug)]
pub struct SecurityGroup {
    /// The VPC that it belongs to.
    pub vpc_id: String,
    /// What it lets out; without rules, nothing.
    pub egress: Vec<EgressRule>,
}

/// All subnets and security groups, by id.
#[derive(Clone, Debug, Default)]
pub struct VirtualNetworks {
    /// For example `subnet-db`.
    pub subnets: HashMap<String, Subnet>,
    /// For example `sg-postgres`.
    pub security_groups: HashMap<String, SecurityGroup>,
}

impl VirtualNetworks {
    /// Whether a function in these subnets and groups may connect to a destination.
    #[must_use]
    pub fn allows(&self, membership: &NetworkMembership, destination: SocketAddr) -> bool {
        let address = destination.ip().to_canonical();
        let mut subnets = membership.subnet_ids.iter().filter_map(|id| self.subnets.get(id));
        let mut groups = membership.security_group_ids.iter().filter_map(|id| self.security_groups.get(id));
        let lets_out = |rule: &EgressRule| rule.network.contains(address) && rule.ports.contains(&destination.port());
        subnets.any(|subnet| subnet.networks.iter().any(|network| network.contains(address)))
            && groups.any(|group| group.egress.iter().any(lets_out))
    }

    /// Every network that some subnet leads to.
    pub(super) fn networks(&self) -> impl Iterator<Item = &Cidr> {
        self.subnets.values().flat_map(|subnet| &subnet.networks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks() -> VirtualNetworks {
        let subnet = |cidr: &str| Subnet { vpc_id: "vpc-a".to_owned(), networks: vec![cidr.parse().unwrap()] };
        let group = |rules: &[(&str, RangeInclusive<u16>)]| SecurityGroup {
            vpc_id: "vpc-a".to_owned(),
            egress: rules
                .iter()
                .map(|(cidr, ports)| EgressRule { network: cidr.parse().unwrap(), ports: ports.clone() })
                .collect(),
        };
        VirtualNetworks {
            subnets: HashMap::from([
                ("subnet-a".to_owned(), subnet("10.1.0.0/16")),
                ("subnet-b".to_owned(), subnet("192.168.0.0/24")),
            ]),
            security_groups: HashMap::from([
                ("sg-db".to_owned(), group(&[("10.1.2.3/32", 5_432..=5_432), ("192.168.0.0/16", 0..=u16::MAX)])),
                ("sg-none".to_owned(), group(&[])),
                ("sg-all".to_owned(), group(&[("0.0.0.0/0", 0..=u16::MAX)])),
            ]),
        }
    }

    fn allows(subnets: &[&str], groups: &[&str], destination: &str) -> bool {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let membership = NetworkMembership {
            subnet_ids: owned(subnets),
            security_group_ids: owned(groups),
            vpc_id: "vpc-a".to_owned(),
        };
        networks().allows(&membership, destination.parse().unwrap())
    }

    #[test]
    fn both_a_subnet_and_a_group_must_lead_there() {
        assert!(allows(&["subnet-a"], &["sg-db"], "10.1.2.3:5432"));
        assert!(allows(&["subnet-a"], &["sg-db"], "[::ffff:10.1.2.3]:5432"));
        assert!(!allows(&["subnet-a"], &["sg-db"], "10.1.2.3:5433"));
        assert!(!allows(&["subnet-a"], &["sg-db"], "10.1.2.4:5432"));
        assert!(!allows(&["subnet-a"], &["sg-db"], "192.168.0.1:80"), "no subnet leads there");
        assert!(allows(&["subnet-a", "subnet-b"], &["sg-none", "sg-db"], "192.168.0.1:80"));
        assert!(allows(&["subnet-a"], &["sg-all"], "10.1.9.9:1"));
        assert!(!allows(&["subnet-a"], &["sg-all"], "10.2.0.1:1"));
        assert!(!allows(&["subnet-a"], &["sg-none"], "10.1.2.3:5432"));
    }

    #[test]
    fn what_is_not_configured_allows_nothing() {
        assert!(!allows(&["subnet-gone"], &["sg-all"], "10.1.2.3:5432"));
        assert!(!allows(&["subnet-a"], &["sg-gone"], "10.1.2.3:5432"));
        assert!(!allows(&[], &["sg-all"], "10.1.2.3:5432"));
    }
}
