//! What listings by name take.

use serde::Deserialize;
use utoipa::IntoParams;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct Listed {
    /// How many at most: 1 to 500, 50 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

impl Listed {
    /// The page.
    pub fn asked(&self) -> (Option<u32>, Option<&str>) {
        (self.limit, self.after.as_deref())
    }
}
