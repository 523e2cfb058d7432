//! How webhooks travel: the receiver's address is resolved and checked, and the connection goes to the address that was
//! checked. Knows HTTP and TLS, and of the broker only the tenant's secret.

mod answer;
pub mod courier;
pub(crate) mod post;
