//! How many jobs a listing has, counted up to a bound.

use crate::decode::Columns;
use crate::error::HistoryError;
use crate::filter::{JobFilter, Scope};
use crate::list::within;
use crate::plan::Plan;
use crate::sql::int;
use crate::store::Store;
use serde::Serialize;
use std::fmt;

/// Rows that are looked at where a filter has to check each.
const WINDOW: i64 = 20_000;

/// A number of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many were counted.
    pub jobs: u64,
    /// Whether that is all of them.
    pub exact: bool,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.jobs.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        f.write_str(if self.exact { "" } else { "+" })
    }
}

impl Store {
    /// Counts jobs, up to `at_most` of them and up to as many rows as a search looks at.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count(&self, scope: &Scope, filter: &JobFilter, at_most: u64) -> Result<Count, HistoryError> {
        if filter.is_impossible() {
            return Ok(Count { jobs: 0, exact: true });
        }
        let plan = Plan::new(scope, filter);
        let end = self.end_of_window(&plan, None, WINDOW).await?;
        let mut sql = self.sql("SELECT COUNT(*) FROM (SELECT 1 AS one");
        sql.push(plan.jobs(self.engine));
        within(&mut sql, &plan, None, end.as_ref());
        sql.push(" LIMIT ").int(int(at_most).saturating_add(1)).push(") AS counted");
        let counted = match self.first(sql).await? {
            Some(row) => Columns::new(&row).uint()?,
            None => 0,
        };
        Ok(Count { jobs: counted.min(at_most), exact: counted <= at_most && end.is_none() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_says_where_it_stopped() {
        let shown = |jobs, exact| Count { jobs, exact }.to_string();
        assert_eq!(shown(0, true), "0");
        assert_eq!(shown(999, true), "999");
        assert_eq!(shown(10_000, false), "10,000+");
        assert_eq!(shown(1_234_567, true), "1,234,567");
    }
}
