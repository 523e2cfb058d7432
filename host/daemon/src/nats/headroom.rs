//! How much more the tasks of each tenant may keep, as far as this worker knows: what the tenant stored when its streams
//! were last looked at, and what was put here since, count to its quota.

use lovage_job::name::TenantName;
use lovage_job::tenant::Quota;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many bytes tenants store.
#[derive(Debug, Default)]
pub struct Headroom {
    stored: Mutex<HashMap<TenantName, u64>>,
}

impl Headroom {
    /// Notes how many bytes a tenant stores that count to its quota.
    pub fn set(&self, tenant: &TenantName, stored: u64) {
        self.stored().insert(tenant.clone(), stored);
    }

    /// Forgets a tenant: it has no quota of storage, or it was removed.
    pub fn forget(&self, tenant: &TenantName) {
        self.stored().remove(tenant);
    }

    /// Takes room for so many bytes; whether there was so much.
    pub fn take(&self, tenant: &TenantName, quota: &Quota, bytes: usize) -> bool {
        let mut all = self.stored();
        let stored = all.get(tenant).copied().unwrap_or(0);
        let Some(room) = quota.data_room(stored) else { return true };
        let fits = u64::try_from(bytes).ok().filter(|bytes| *bytes <= room);
        let Some(bytes) = fits else { return false };
        all.insert(tenant.clone(), stored.saturating_add(bytes));
        true
    }

    fn stored(&self) -> MutexGuard<'_, HashMap<TenantName, u64>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::unit::ByteSize;

    #[test]
    fn room_is_taken_until_there_is_none_and_is_each_tenants_own() {
        let quota = |bytes| Quota { storage: Some(ByteSize(bytes)), ..Quota::default() };
        let (room, acme, other) = (Headroom::default(), "acme".parse().unwrap(), "other".parse().unwrap());
        // nine tenths, also before anyone has looked
        assert!(room.take(&acme, &quota(100), 60) && room.take(&acme, &quota(100), 30));
        assert!(!room.take(&acme, &quota(100), 1) && room.take(&acme, &quota(200), 90));
        assert!(room.take(&other, &quota(100), 90));
        room.set(&acme, 85);
        assert!(!room.take(&acme, &quota(100), 6) && room.take(&acme, &quota(100), 5));
        assert!(room.take(&acme, &Quota::default(), usize::MAX));
    }
}
