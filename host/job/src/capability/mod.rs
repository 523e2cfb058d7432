//! What a task may do beyond its own sandbox: nothing, unless its operator grants it within its tenant's ceiling.

mod ceiling;
mod grant;
mod grants;
mod host;
mod kind;

pub use ceiling::{AboveCeiling, Ceiling};
pub use grant::{CONFIG_KEY_BYTES_MAX, CONFIG_VALUE_BYTES_MAX, Capability, CapabilityError, Denial, SCRATCH_MAX};
pub use grants::{CONFIG_BYTES_MAX, GRANTS_EACH_MAX, Grants, Missing, TooManyGrants};
pub use host::{Destination, Host, HostCeiling, HostError, HostRule};
pub use kind::CapabilityKind;
