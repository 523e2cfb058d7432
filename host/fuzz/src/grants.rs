//! What opens a door: grants, rules for hosts, URLs of webhooks, keys and signatures.

use crate::{text, told};
use lovage_job::{
    capability::{Capability, Host, HostCeiling, HostRule},
    flow::WebhookUrl,
    signature::{PublicKey, Signature},
};
use std::{fmt::Display, str::FromStr};

pub(crate) fn run(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    again::<Capability>(text);
    again::<HostRule>(text);
    again::<HostCeiling>(text);
    again::<Host>(text);
    text.parse::<PublicKey>().map_or_else(|error| told(&error), drop);
    Signature::read(text).map_or_else(|error| told(&error), drop);
    match text.parse::<WebhookUrl>() {
        Ok(url) => {
            assert!(!url.authority().contains(['@', '/', '\r', '\n', ' ']), "{}", url.authority());
            assert!(!url.path_and_query().contains(['\r', '\n', ' ']), "{}", url.path_and_query());
            assert!(url.path_and_query().starts_with('/'));
        }
        Err(error) => told(&error),
    }
}

/// What is shown of it reads as the same.
fn again<T: FromStr<Err: Display> + Display + PartialEq + std::fmt::Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(read) => assert_eq!(read.to_string().parse::<T>().ok(), Some(read), "{text}"),
        Err(error) => told(&error),
    }
}
