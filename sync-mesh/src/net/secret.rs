//! What all devices of one mesh know, and nobody else: [`MeshSecret`]; and how two devices show each other that they do.
//!
//! The secret itself never travels. Each side sends a keyed hash of the TLS session's exported key, which both sides have and nobody else, so what was seen in one
//! connection is worth nothing in another (RFC 5705, RFC 9266).

use std::fmt;

/// Bytes of a secret, and of a proof.
pub(crate) const SECRET_BYTES: usize = 32;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

/// The secret of a mesh. Whoever has it is let in.
#[derive(Clone, PartialEq, Eq)]
pub struct MeshSecret([u8; SECRET_BYTES]);

/// Which end of a connection somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Dialer,
    Listener,
}

/// Bound to one TLS session: the same on both ends, and in no other session.
pub(crate) type SessionKey = [u8; 32];

impl MeshSecret {
    /// A new secret.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The secret of these bytes, which have to be random.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes. Keep them as you keep a password.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SECRET_BYTES] {
        self.0
    }

    /// The same for all who know the secret, and says nothing of it: by this those who are looked for are told from others, before any connection.
    pub(crate) fn tag(&self) -> [u8; TAG_BYTES] {
        let tag = blake3::derive_key("ditto-sync mesh 1 rendezvous", &self.0);
        *tag.first_chunk().expect("a tag is half of a hash")
    }

    /// What shows, at this end of this session, that the secret is known.
    pub(crate) fn proof(&self, end: End, session: &SessionKey) -> [u8; SECRET_BYTES] {
        let key = blake3::derive_key("ditto-sync mesh 1 proof of the mesh secret", &self.0);
        let mut said = session.to_vec();
        said.push(match end {
            End::Dialer => 0,
            End::Listener => 1,
        });
        *blake3::keyed_hash(&key, &said).as_bytes()
    }

    /// Whether a proof is right. Takes the same time for every wrong one.
    pub(crate) fn is_shown_by(&self, proof: [u8; SECRET_BYTES], end: End, session: &SessionKey) -> bool {
        // `Hash` compares in constant time.
        blake3::Hash::from(self.proof(end, session)) == blake3::Hash::from(proof)
    }
}

/// Says nothing of it: logs are read by many.
impl fmt::Debug for MeshSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeshSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_one_secret_one_end_and_one_session() {
        let secret = MeshSecret::from_bytes([1; 32]);
        let proof = secret.proof(End::Dialer, &[9; 32]);
        assert!(secret.is_shown_by(proof, End::Dialer, &[9; 32]));
        assert!(!secret.is_shown_by(proof, End::Listener, &[9; 32]), "reflected");
        assert!(!secret.is_shown_by(proof, End::Dialer, &[8; 32]), "replayed");
        assert!(!MeshSecret::from_bytes([2; 32]).is_shown_by(proof, End::Dialer, &[9; 32]));
        assert_eq!(format!("{secret:?}"), "MeshSecret(..)");
    }
}
