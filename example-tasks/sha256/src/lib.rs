//! Hashes bytes: plain typed exports over bytes, no SDK.
//!
//! A function from `list<u8>` takes the job's body as it is. One that returns `list<u8>` gives bytes back, one
//! that returns `string` gives JSON.

#[allow(clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ world: "hashing", path: "wit" });

    export!(Hashing with_types_in self);

    pub(crate) struct Hashing;
}

use std::fmt::Write;

use bindings::{Guest, Hashing};
use sha2::{Digest, Sha256};

impl Guest for Hashing {
    fn sha256(data: Vec<u8>) -> Vec<u8> {
        Sha256::digest(data).to_vec()
    }

    fn sha256_hex(data: Vec<u8>) -> String {
        Sha256::digest(data).iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Guest, Hashing};

    #[test]
    fn digest_is_that_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            Hashing::sha256_hex(b"abc".to_vec()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Hashing::sha256(Vec::new()).first(), Some(&0xe3));
    }
}
