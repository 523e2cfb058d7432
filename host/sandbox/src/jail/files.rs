//! Landlock: no file can be opened, made or removed, no TCP port used, no signal sent out of the jail.
//!
//! Kernels differ in what they can forbid; the strictest that this one knows is used, and what it could not do is told.
//! It holds for the calling thread and those that it starts later, so it must come before any other thread.

use super::held::JailError;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};

/// All that landlock knows is forbidden.
pub(crate) const FULL: &str = "full";
/// The newest rules that are asked for: what a kernel of that age knows is forbidden, and on an older one what it knows.
const NEWEST: ABI = ABI::V6;

/// Forbids every file, and says how far the kernel went along.
pub(crate) fn forbid_files() -> Result<String, JailError> {
    let restricted = || -> Result<_, RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .restrict_self()
    };
    let status = restricted().map_err(|error| JailError::of("forbid files", error))?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced, _) => FULL.to_owned(),
        (RulesetStatus::PartiallyEnforced, _) => "partial".to_owned(),
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => "the kernel has it switched off".to_owned(),
        (RulesetStatus::NotEnforced, _) => "the kernel has none".to_owned(),
    })
}
