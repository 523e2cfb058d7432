//! From a host to an address that may be reached. A host of which one address may not be reached is not reached at all:
//! names that lead here and there are how the check is tried to be passed.

use super::Fault;
use super::address::is_public;
use lovage_job::capability::{Destination, Host};
use lovage_sandbox::HttpFault;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who knows the addresses of names.
#[derive(Debug, Clone, Default)]
pub enum Names {
    /// This machine.
    #[default]
    System,
    /// A list, as in a hosts file; other names are unknown.
    Fixed(Arc<HashMap<String, Vec<IpAddr>>>),
}

impl Names {
    /// The address that the connection goes to. Every address of the host is looked at.
    pub(super) async fn vetted(&self, to: &Destination, allow_private: bool) -> Result<SocketAddr, Fault> {
        let found = self.addresses(to).await?;
        let Some(first) = found.first().copied() else {
            return Err(Fault::new(HttpFault::NameUnknown, format!("host {} has no address", to.host)));
        };
        match found.iter().find(|address| !allow_private && !is_public(address.ip())) {
            None => Ok(first),
            Some(other) => {
                let (host, address) = (&to.host, other.ip());
                let reason = format!("host {host} has the address {address}, which is not public");
                Err(Fault::new(HttpFault::AddressProhibited, reason))
            }
        }
    }

    async fn addresses(&self, to: &Destination) -> Result<Vec<SocketAddr>, Fault> {
        let name = match &to.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, to.port)]),
            Host::Name(name) => name,
        };
        match self {
            Self::Fixed(list) => {
                let addresses = list.get(name).map(Vec::as_slice).unwrap_or_default();
                Ok(addresses.iter().map(|address| SocketAddr::new(*address, to.port)).collect())
            }
            Self::System => {
                let found = tokio::net::lookup_host((name.as_str(), to.port)).await;
                let unknown = |error| Fault::new(HttpFault::NameUnknown, format!("host {name} is not found: {error}"));
                Ok(found.map_err(unknown)?.collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_address_of_a_host_must_be_public() {
        let list = [
            ("public.example", vec!["1.1.1.1"]),
            ("mixed.example", vec!["1.1.1.1", "10.0.0.1"]),
            ("rebinds.example", vec!["127.0.0.1"]),
            ("mapped.example", vec!["::ffff:169.254.169.254"]),
            ("empty.example", vec![]),
        ];
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let list = list.into_iter().map(|(name, to)| (name.to_owned(), to.into_iter().map(address).collect()));
        let names = Names::Fixed(Arc::new(list.collect()));
        let vet = async |authority: &str, private| {
            let to = Destination::new(true, authority).unwrap();
            names.vetted(&to, private).await.map_err(|fault| fault.kind)
        };
        assert_eq!(vet("public.example", false).await, Ok("1.1.1.1:443".parse().unwrap()));
        for host in [
            "mixed.example",
            "rebinds.example",
            "mapped.example",
            "127.0.0.1",
            "[::ffff:7f00:1]",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "[64:ff9b::a00:1]",
            "[::1]",
        ] {
            assert_eq!(vet(host, false).await, Err(HttpFault::AddressProhibited), "{host}");
            assert!(vet(host, true).await.is_ok(), "{host}");
        }
        for host in ["empty.example", "unknown.example"] {
            assert_eq!(vet(host, false).await, Err(HttpFault::NameUnknown));
        }
        let to = Destination::new(false, "localhost:1").unwrap();
        let fault = Names::System.vetted(&to, false).await.unwrap_err();
        assert_eq!(fault.kind, HttpFault::AddressProhibited, "{fault:?}");
    }
}
