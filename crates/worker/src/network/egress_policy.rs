//! Which destinations a function may reach.
//!
//! The rules look at the address that is about to be connected to, never at a name, so that a name server
//! that changes its mind (DNS rebinding) gains nothing.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tindra_core::function::NetworkMembership;

use super::cidr::Cidr;
use super::vpc::VirtualNetworks;

/// What holds for destinations that no rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EgressMode {
    /// The public internet can be reached; private, local and reserved networks cannot.
    #[default]
    Public,
    /// Only what the operator allows.
    DenyAll,
}

/// The rules for connections out of sandboxes.
#[derive(Clone, Debug)]
pub struct EgressPolicy {
    mode: EgressMode,
    allowed: Vec<Cidr>,
    denied: Vec<Cidr>,
    denied_by_default: Vec<(Cidr, &'static str)>,
    networks: VirtualNetworks,
}

/// What the policy says about one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Connect.
    Allowed,
    /// Do not; the text says why, for the log.
    Denied(&'static str),
}

impl Default for EgressPolicy {
    fn default() -> Self {
        Self::new(EgressMode::Public, Vec::new(), Vec::new())
    }
}

impl EgressPolicy {
    /// The rules of an operator: `denied` beats `allowed`, and `allowed` beats what is denied by default.
    /// An address of this machine is open only to an entry of `allowed` that is exactly this address, so that
    /// allowing `10.0.0.0/8` does not open the machine itself.
    #[must_use]
    pub fn new(mode: EgressMode, allowed: Vec<Cidr>, denied: Vec<Cidr>) -> Self {
        Self { mode, allowed, denied, denied_by_default: denied_by_default(), networks: VirtualNetworks::default() }
    }

    /// With the private networks that functions can be members of.
    #[must_use]
    pub fn with_networks(self, networks: VirtualNetworks) -> Self {
        Self { networks, ..self }
    }

    /// The networks that functions can be members of.
    #[must_use]
    pub fn networks(&self) -> &VirtualNetworks {
        &self.networks
    }

    /// The same rules as routes: where a function's connections fail at once, and the exceptions. Coarser than
    /// [`EgressPolicy::decide`], never stricter.
    #[must_use]
    pub fn reach(&self) -> tindra_sandbox::Reach {
        let is_allowed = |network: &Cidr| self.allowed.iter().any(|allowed| allowed.covers(network));
        let by_default: Vec<Cidr> = match self.mode {
            EgressMode::Public => self.denied_by_default.iter().map(|(network, _)| *network).collect(),
            EgressMode::DenyAll => vec![Cidr::v4([0, 0, 0, 0], 1), Cidr::v4([128, 0, 0, 0], 1)],
        };
        let unreachable = by_default.iter().filter(|network| !is_allowed(network)).chain(&self.denied);
        let is_denied = |network: &Cidr| self.denied.iter().any(|denied| denied.covers(network));
        // A route serves all functions; which of them may use it is decided for each connection.
        let reachable = self.allowed.iter().chain(self.networks.networks()).filter(|network| !is_denied(network));
        tindra_sandbox::Reach {
            unreachable: unreachable.filter_map(Cidr::as_v4).collect(),
            reachable: reachable.filter_map(Cidr::as_v4).collect(),
        }
    }

    /// Decides about one destination of a function that is a member of private networks. Membership opens private
    /// networks, and nothing that is denied for another reason.
    #[must_use]
    pub fn decide_for(
        &self,
        membership: Option<&NetworkMembership>,
        destination: SocketAddr,
        is_of_this_machine: impl Fn(IpAddr) -> bool,
    ) -> Decision {
        match (self.decide(destination.ip(), is_of_this_machine), membership) {
            (Decision::Denied(PRIVATE | SHARED | NOT_ALLOWED), Some(membership))
                if self.networks.allows(membership, destination) =>
            {
                Decision::Allowed
            }
            (decision, _) => decision,
        }
    }

    /// Decides about a destination of the server itself, for somebody who has no more rights than a function.
    #[must_use]
    pub fn decide_here(&self, destination: IpAddr) -> Decision {
        self.decide(destination, super::local_address::is_of_this_machine)
    }

    /// Decides about one destination. `is_of_this_machine` tells whether an address belongs to the host.
    #[must_use]
    pub fn decide(&self, destination: IpAddr, is_of_this_machine: impl Fn(IpAddr) -> bool) -> Decision {
        let destination = destination.to_canonical();
        let within = |networks: &[Cidr]| networks.iter().any(|network| network.contains(destination));
        if within(&self.denied) {
            return Decision::Denied("denied by the operator");
        }
        if self.allowed.iter().any(|network| network.is_exactly(destination)) {
            return Decision::Allowed;
        }
        if destination.is_loopback() || destination.is_unspecified() || is_of_this_machine(destination) {
            return Decision::Denied("an address of this machine");
        }
        if within(&self.allowed) {
            return Decision::Allowed;
        }
        if self.mode == EgressMode::DenyAll {
            return Decision::Denied(NOT_ALLOWED);
        }
        match self.denied_by_default.iter().find(|(network, _)| network.contains(destination)) {
            Some((_, reason)) => Decision::Denied(reason),
            None => Decision::Allowed,
        }
    }
}

const PRIVATE: &str = "a private network";
const SHARED: &str = "a carrier's shared network";
const NOT_ALLOWED: &str = "not allowed by the operator";

/// Networks that are not the public internet: the IANA special-purpose registries, less those that are only
/// for documentation and benchmarks (nobody is there, and test set-ups use them).
fn denied_by_default() -> Vec<(Cidr, &'static str)> {
    vec![
        (Cidr::v4([0, 0, 0, 0], 8), "this network"),
        (Cidr::v4([10, 0, 0, 0], 8), PRIVATE),
        (Cidr::v4([100, 64, 0, 0], 10), SHARED),
        (Cidr::v4([127, 0, 0, 0], 8), "loopback"),
        (Cidr::v4([169, 254, 0, 0], 16), "link-local (metadata services)"),
        (Cidr::v4([172, 16, 0, 0], 12), PRIVATE),
        (Cidr::v4([192, 0, 0, 0], 24), "protocol assignments"),
        (Cidr::v4([192, 168, 0, 0], 16), PRIVATE),
        (Cidr::v4([224, 0, 0, 0], 4), "multicast"),
        (Cidr::v4([240, 0, 0, 0], 4), "reserved or broadcast"),
        // Includes unspecified, loopback and IPv4-compatible addresses.
        (Cidr::v6([0; 8], 96), "reserved"),
        (Cidr::v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 32), "IPv4 behind a translator"),
        (Cidr::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "IPv4 behind a tunnel"),
        (Cidr::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "IPv4 behind a tunnel"),
        (Cidr::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a private network (metadata services)"),
        (Cidr::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
        (Cidr::v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
        (Cidr::v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0).segments(), 8), "multicast"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidrs(texts: &[&str]) -> Vec<Cidr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn is_allowed(policy: &EgressPolicy, address: &str) -> bool {
        let this_machine: IpAddr = "203.0.113.9".parse().unwrap();
        policy.decide(address.parse().unwrap(), |address| address == this_machine) == Decision::Allowed
    }

    #[test]
    fn routes_say_what_the_rules_say() {
        let allowed = cidrs(&["10.1.0.0/16", "192.168.0.0/16"]);
        let policy = EgressPolicy::new(EgressMode::Public, allowed, cidrs(&["10.1.2.0/24"]));
        let reach = policy.reach();
        let has = |list: &[(std::net::Ipv4Addr, u8)], text: &str| {
            list.contains(&text.parse::<Cidr>().unwrap().as_v4().unwrap())
        };
        assert!(has(&reach.unreachable, "10.0.0.0/8") && has(&reach.unreachable, "10.1.2.0/24"));
        assert!(!has(&reach.unreachable, "192.168.0.0/16"), "allowed as a whole");
        assert!(has(&reach.reachable, "10.1.0.0/16"));
    }

    #[test]
    fn the_public_internet_is_open_and_the_rest_is_not() {
        let policy = EgressPolicy::default();
        for open in ["1.1.1.1", "198.51.100.2", "172.15.255.255", "172.32.0.0", "100.63.0.1", "2606:4700::1111"] {
            assert!(is_allowed(&policy, open), "{open}");
        }
        for closed in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.169.254",
            "169.254.100.1",
            "172.16.0.1",
            "192.168.1.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:203.0.113.9",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::a00:1",
            "2002:a00:1::",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_allowed(&policy, closed), "{closed}");
        }
    }

    #[test]
    fn the_operator_opens_networks_but_the_machine_only_by_its_exact_address() {
        let policy = EgressPolicy::new(EgressMode::Public, cidrs(&["10.0.0.0/8", "203.0.113.0/24"]), Vec::new());
        assert!(is_allowed(&policy, "10.1.2.3"));
        assert!(!is_allowed(&policy, "192.168.1.1"));
        assert!(!is_allowed(&policy, "203.0.113.9"));
        let exact = EgressPolicy::new(EgressMode::Public, cidrs(&["203.0.113.9/32", "127.0.0.1"]), Vec::new());
        assert!(is_allowed(&exact, "203.0.113.9"));
        assert!(is_allowed(&exact, "127.0.0.1"));
        assert!(!is_allowed(&exact, "127.0.0.2"));
        let everything = EgressPolicy::new(EgressMode::Public, cidrs(&["0.0.0.0/0", "::/0"]), Vec::new());
        assert!(!is_allowed(&everything, "127.0.0.1"));
        assert!(!is_allowed(&everything, "0.0.0.0"));
        assert!(!is_allowed(&everything, "::1"));
    }

    #[test]
    fn a_denial_beats_everything() {
        let policy = EgressPolicy::new(EgressMode::Public, cidrs(&["10.0.0.1/32"]), cidrs(&["10.0.0.0/24", "8.8.8.8"]));
        assert!(!is_allowed(&policy, "10.0.0.1"));
        assert!(!is_allowed(&policy, "8.8.8.8"));
        assert!(!is_allowed(&policy, "::ffff:8.8.8.8"));
        assert!(is_allowed(&policy, "8.8.4.4"));
    }

    #[test]
    fn deny_all_leaves_what_is_allowed() {
        let policy = EgressPolicy::new(EgressMode::DenyAll, cidrs(&["192.0.2.0/24"]), Vec::new());
        assert!(is_allowed(&policy, "192.0.2.1"));
        assert!(!is_allowed(&policy, "1.1.1.1"));
    }

    #[test]
    fn membership_opens_private_networks_and_nothing_else() {
        use crate::network::vpc::{EgressRule, SecurityGroup, Subnet};
        let everywhere: Cidr = "0.0.0.0/0".parse().unwrap();
        let networks = VirtualNetworks {
            subnets: [("subnet-a".to_owned(), Subnet { vpc_id: "vpc-a".to_owned(), networks: vec![everywhere] })]
                .into(),
            security_groups: [(
                "sg-a".to_owned(),
                SecurityGroup {
                    vpc_id: "vpc-a".to_owned(),
                    egress: vec![EgressRule { network: everywhere, ports: 80..=80 }],
                },
            )]
            .into(),
        };
        let membership = NetworkMembership {
            subnet_ids: vec!["subnet-a".to_owned()],
            security_group_ids: vec!["sg-a".to_owned()],
            vpc_id: "vpc-a".to_owned(),
        };
        let this_machine: IpAddr = "10.9.9.9".parse().unwrap();
        let policy =
            EgressPolicy::new(EgressMode::Public, Vec::new(), cidrs(&["10.66.0.0/16"])).with_networks(networks);
        let decide = |membership, destination: &str| {
            policy.decide_for(membership, destination.parse().unwrap(), |address| address == this_machine)
        };
        assert_eq!(decide(Some(&membership), "10.1.2.3:80"), Decision::Allowed);
        assert_ne!(decide(Some(&membership), "10.1.2.3:81"), Decision::Allowed);
        assert_ne!(decide(None, "10.1.2.3:80"), Decision::Allowed);
        assert_eq!(decide(Some(&membership), "1.1.1.1:443"), Decision::Allowed, "as for everybody");
        for never in ["127.0.0.1:80", "10.9.9.9:80", "169.254.169.254:80", "10.66.1.1:80", "224.0.0.1:80", "0.0.0.0:80"]
        {
            assert_ne!(decide(Some(&membership), never), Decision::Allowed, "{never}");
        }
    }

    proptest! {
        #[test]
        fn no_way_of_writing_an_ipv4_address_changes_the_answer(address: u32) {
            let policy = EgressPolicy::default();
            let v4 = std::net::Ipv4Addr::from(address);
            let plain = policy.decide(IpAddr::V4(v4), |_| false);
            prop_assert_eq!(policy.decide(IpAddr::V6(v4.to_ipv6_mapped()), |_| false), plain);
        }

        #[test]
        fn an_address_of_this_machine_is_denied_whatever_network_is_open(address: u32, bits in 0_u8..32) {
            let address = IpAddr::V4(address.into());
            let policy = EgressPolicy::new(EgressMode::Public, vec![Cidr::new(address, bits).unwrap()], Vec::new());
            prop_assert_ne!(policy.decide(address, |_| true), Decision::Allowed);
        }
    }
}
