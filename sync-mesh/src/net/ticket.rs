//! What a device needs to join a mesh, in one line that can be printed, pasted or shown as a QR code: [`Ticket`].

use std::{fmt, net::SocketAddr, str::FromStr};

use data_encoding::BASE32_NOPAD;
use iroh::EndpointId;
use serde::{Deserialize, Serialize};

use super::secret::{MeshSecret, SECRET_BYTES};

const PREFIX: &str = "mesh1";
/// Most addresses in a ticket.
const ADDRESSES_MAX: usize = 16;
/// Longest ticket, in characters.
const CHARACTERS_MAX: usize = 4096;

/// An invitation: the mesh, its secret, and where one of its devices listens. **Whoever reads it can join**: hand it on as you would a password.
///
/// Printed as one word of small letters and digits, and read back with [`str::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The name of the mesh.
    pub mesh: String,
    /// What its devices know.
    pub secret: MeshSecret,
    /// The device.
    pub endpoint: EndpointId,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    mesh: String,
    secret: [u8; SECRET_BYTES],
    endpoint: [u8; 32],
    addresses: Vec<SocketAddr>,
}

/// Why text is no ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// It does not begin as tickets do.
    #[error("a ticket begins with `{PREFIX}`: copy it whole")]
    Prefix,
    /// Some of it is missing or was changed.
    #[error("the ticket is damaged: copy it whole, without spaces")]
    Damaged,
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = Content {
            mesh: self.mesh.clone(),
            secret: self.secret.to_bytes(),
            endpoint: *self.endpoint.as_bytes(),
            addresses: self.addresses.clone(),
        };
        let mut bytes =
            postcard::to_extend(&content, Vec::new()).expect("a growing buffer takes every ticket");
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_lowercase())
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(TicketError::Prefix)?;
        if body.len() > CHARACTERS_MAX {
            return Err(TicketError::Damaged);
        }
        let bytes = BASE32_NOPAD
            .decode(body.to_uppercase().as_bytes())
            .map_err(|_| TicketError::Damaged)?;
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(TicketError::Damaged)?;
        if checksum(content) != *sum {
            return Err(TicketError::Damaged);
        }
        match postcard::take_from_bytes::<Content>(content) {
            Ok((content, [])) if content.addresses.len() <= ADDRESSES_MAX => Ok(Self {
                mesh: content.mesh,
                secret: MeshSecret::from_bytes(content.secret),
                endpoint: EndpointId::from_bytes(&content.endpoint).map_err(|_| TicketError::Damaged)?,
                addresses: content.addresses,
            }),
            _ => Err(TicketError::Damaged),
        }
    }
}

/// Tells a ticket that was copied badly from one that is refused.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let hash = blake3::hash(bytes);
    let mut sum = [0; 4];
    sum.copy_from_slice(&hash.as_bytes()[..4]);
    sum
}

#[cfg(test)]
mod tests {
    use iroh::SecretKey;
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            mesh: "my-shop".to_owned(),
            secret: MeshSecret::from_bytes([7; 32]),
            endpoint: SecretKey::from_bytes(&[3; 32]).public(),
            addresses: vec![
                "127.0.0.1:4711".parse().expect("an address"),
                "[::1]:9".parse().expect("an address"),
            ],
        }
    }

    #[test]
    fn a_ticket_survives_printing_and_pasting() {
        let printed = ticket().to_string();
        assert!(
            printed
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        );
        assert_eq!(format!("  {printed}\n").parse(), Ok(ticket()));
        assert_eq!(
            printed[..printed.len() - 1].parse::<Ticket>(),
            Err(TicketError::Damaged)
        );
        assert_eq!("hello".parse::<Ticket>(), Err(TicketError::Prefix));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn no_text_makes_the_parser_panic(text in "(mesh1)?[a-z2-7A-Zé ]{0,80}") {
            let _ = text.parse::<Ticket>();
        }

        #[test]
        fn a_changed_character_is_noticed(at in any::<prop::sample::Index>()) {
            let printed = ticket().to_string();
            let at = PREFIX.len() + at.index(printed.len() - PREFIX.len());
            let mut changed = printed.into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(changed).expect("letters");
            prop_assert_eq!(changed.parse::<Ticket>(), Err(TicketError::Damaged));
        }
    }
}
