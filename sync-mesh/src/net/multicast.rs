//! How devices of one local network find each other without a ticket: multicast DNS. See [`Multicast`].
//!
//! What is announced only says where somebody listens, and can be copied by anybody in the network: who is let in is decided by the greeting. Not here: the protocol, which is
//! `iroh-mdns-address-lookup`'s.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use iroh::{
    Endpoint, EndpointId,
    address_lookup::{EndpointInfo, UserData},
};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};

use super::{Network, NetworkError, Shared, keep_up, secret::MeshSecret};
use crate::limits::{MULTICAST_ADDRESSES_MAX, MULTICAST_DEVICES_MAX};

/// Stands in front of `_udp.local` in what is announced, so that devices of other kinds are not asked.
const SERVICE: &str = "ditto-sync";

/// Announces this device in the local network, and listens for others.
pub(super) struct Multicast {
    lookup: MdnsAddressLookup,
}

impl Multicast {
    pub(super) fn start(endpoint: &Endpoint, secret: &MeshSecret) -> Result<Self, NetworkError> {
        let failed = |error: ditto_sync_core::error::Source| NetworkError::Multicast(error);
        let lookup = MdnsAddressLookup::builder().service_name(SERVICE);
        let lookup = lookup
            .build(endpoint.id())
            .map_err(|error| failed(error.into()))?;
        announce(endpoint, secret);
        let services = endpoint.address_lookup().map_err(|error| failed(error.into()))?;
        services.add(lookup.clone());
        Ok(Self { lookup })
    }
}

impl Network {
    /// Keeps up connections to the devices that are found, until the network is closed.
    pub(super) fn listen_to(&self, multicast: Multicast) {
        let (shared, tasks) = (Arc::clone(&self.shared), self.tasks.clone());
        let stop = shared.stop.clone();
        self.tasks.spawn(async move {
            let found = |peer, addresses: &[SocketAddr]| keep_up(&shared, &tasks, peer, addresses);
            stop.run_until_cancelled(meet(&shared, &multicast, found)).await;
        });
    }
}

/// Tells which mesh this device belongs to, to those who know its secret.
pub(super) fn announce(endpoint: &Endpoint, secret: &MeshSecret) {
    let tag = UserData::try_from(tag(secret)).expect("32 digits are no more than the 245 bytes that fit");
    endpoint.set_user_data_for_address_lookup(Some(tag));
}

async fn meet(shared: &Shared, multicast: &Multicast, mut found: impl FnMut(EndpointId, &[SocketAddr])) {
    let mut events = multicast.lookup.subscribe().await;
    let mut devices = BTreeMap::new();
    while let Some(event) = events.next().await {
        // One that is gone is dialed less and less, as every device that does not answer.
        let DiscoveryEvent::Discovered { endpoint_info, .. } = event else {
            continue;
        };
        let device = endpoint_info.endpoint_id;
        let secret = shared.introduction().secret;
        let wanted = is_of_mesh(&endpoint_info, &secret) || shared.is_listed(device);
        if let Some(heard) = wanted.then(|| admit(&mut devices, device)).flatten() {
            found(
                device,
                heard.add(endpoint_info.data.ip_addrs(), shared.book.addresses(device)),
            );
        }
    }
}

/// What is known of where a device listens.
#[derive(Debug, Default)]
struct Heard {
    /// From elsewhere: a ticket, a greeting.
    known: Vec<SocketAddr>,
    /// That, and what was announced last.
    all: Vec<SocketAddr>,
}

impl Heard {
    /// Takes what is announced in the place of what was before; all that is known then. What is known from elsewhere stays: who announces somebody else's device cannot make it
    /// unreachable.
    fn add<'a>(
        &mut self,
        announced: impl Iterator<Item = &'a SocketAddr>,
        in_book: Vec<SocketAddr>,
    ) -> &[SocketAddr] {
        if in_book != self.all {
            // Somebody else has written it.
            self.known = in_book;
        }
        self.all.clone_from(&self.known);
        for address in announced.take(MULTICAST_ADDRESSES_MAX) {
            if !self.all.contains(address) {
                self.all.push(*address);
            }
        }
        &self.all
    }
}

fn is_of_mesh(info: &EndpointInfo, secret: &MeshSecret) -> bool {
    let told = info.data.user_data();
    told.is_some_and(|told| told.as_ref() == tag(secret))
}

fn tag(secret: &MeshSecret) -> String {
    HEXLOWER.encode(&secret.tag())
}

/// What is known of the device, if it is looked for. Names can be made up, so there is an end to them.
fn admit(devices: &mut BTreeMap<EndpointId, Heard>, device: EndpointId) -> Option<&mut Heard> {
    if devices.len() >= MULTICAST_DEVICES_MAX && !devices.contains_key(&device) {
        tracing::debug!(device = %device.fmt_short(), "more devices were announced in the local network than are looked for");
        return None;
    }
    Some(devices.entry(device).or_default())
}

#[cfg(test)]
mod tests {
    use iroh::{SecretKey, address_lookup::EndpointData};

    use super::*;

    fn device(number: u64) -> EndpointId {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        SecretKey::from_bytes(&key).public()
    }

    fn address(port: u16) -> SocketAddr {
        ([192, 168, 1, 1], port).into()
    }

    #[test]
    fn only_who_shows_the_tag_of_the_mesh_is_of_it() {
        let (ours, other) = (MeshSecret::from_bytes([1; 32]), MeshSecret::from_bytes([2; 32]));
        let info = |told: Option<String>| {
            let mut data = EndpointData::default();
            data.set_user_data(told.map(|told| told.parse().expect("it is short")));
            EndpointInfo::from_parts(device(1), data)
        };
        assert!(is_of_mesh(&info(Some(tag(&ours))), &ours));
        assert!(!is_of_mesh(&info(Some(tag(&other))), &ours));
        assert!(!is_of_mesh(&info(Some(String::new())), &ours));
        assert!(!is_of_mesh(&info(None), &ours));
    }

    #[test]
    fn a_flood_of_names_has_an_end_and_known_ones_stay() {
        let mut devices = BTreeMap::new();
        let many = MULTICAST_DEVICES_MAX as u64;
        assert!((0..many).all(|number| admit(&mut devices, device(number)).is_some()));
        assert!(admit(&mut devices, device(many)).is_none());
        assert!(admit(&mut devices, device(0)).is_some());
    }

    #[test]
    fn what_is_announced_does_not_displace_what_is_known() {
        let addresses = |ports: std::ops::Range<u16>| ports.map(address).collect::<Vec<_>>();
        let known = addresses(0..3);
        let (mut heard, mut book) = (Heard::default(), known.clone());
        // Again and again, each time with other lies.
        for flood in 1..10 {
            let lies = addresses(flood * 100..flood * 100 + 100);
            book = heard.add(lies.iter(), book).to_vec();
            assert!(book.len() <= known.len() + MULTICAST_ADDRESSES_MAX);
            assert!(known.iter().all(|address| book.contains(address)));
            assert!(book.contains(&lies[0]), "what is announced now is tried");
        }
        // It has been announced before, and the device has said so itself since.
        let told = addresses(900..902);
        book = heard.add([address(5)].iter(), told.clone()).to_vec();
        assert_eq!(book, [told[0], told[1], address(5)]);
        assert_eq!(heard.add([told[0]].iter(), book), told);
    }
}
