//! How a tenant's users sign in at the broker.

use serde::{Deserialize, Serialize};

/// How a tenant's users sign in at the broker. Nothing here is a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Access {
    /// It has no users: whoever may do everything works for it.
    #[default]
    None,
    /// Users of the platform's account, who may use this tenant's subjects alone.
    User {
        /// The user's name.
        user: String,
        /// What the server checks the password against: bcrypt.
        password_hash: String,
    },
    /// An account of its own.
    Account {
        /// The account's public key.
        account: String,
        /// The public key of its user whose credentials are good; nothing where they were revoked.
        #[serde(default)]
        user: String,
    },
}
