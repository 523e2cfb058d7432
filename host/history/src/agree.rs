//! Whether the history has what the broker has: writing it again must change nothing.

use crate::entry::Entry;
use crate::error::HistoryError;
use crate::merge::merge;
use crate::row::Stored;
use crate::store::Store;
use lovage_job::name::{JobId, TenantName};
use serde::Serialize;
use std::collections::BTreeMap;

/// A job of which the history does not have what the broker has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whose job.
    pub tenant: TenantName,
    /// The job.
    pub id: JobId,
    /// What differs; nothing where the history does not have the job at all.
    pub fields: Vec<String>,
}

impl Store {
    /// What writing the entries would change.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn differences(&self, entries: &[Entry]) -> Result<Vec<Difference>, HistoryError> {
        let mut by_tenant: BTreeMap<TenantName, Vec<String>> = BTreeMap::new();
        for entry in entries {
            let (tenant, id) = entry.key();
            by_tenant.entry(tenant).or_default().push(id.as_str().to_owned());
        }
        let known = self.in_query_time(async {
            let (mut transaction, mut known) = (self.look().await?, BTreeMap::new());
            for (tenant, ids) in &by_tenant {
                for ids in ids.chunks(200) {
                    self.load(&mut transaction, tenant, ids, &mut known).await?;
                }
            }
            transaction.rollback().await?;
            Ok(known)
        });
        let known = known.await?;
        let each = |entry: &Entry| {
            let (tenant, id) = entry.key();
            let fields = match known.get(&(tenant.clone(), id.clone())) {
                None => Vec::new(),
                Some(stored) => {
                    let fields = fields(stored, &merge(Some(stored.clone()), entry), entry);
                    if fields.is_empty() {
                        return None;
                    }
                    fields
                }
            };
            Some(Difference { tenant, id, fields })
        };
        Ok(entries.iter().filter_map(each).collect())
    }
}

fn fields(stored: &Stored, should: &Stored, entry: &Entry) -> Vec<String> {
    let mut fields = Vec::new();
    let value = |stored: &Stored| match serde_json::to_value(&stored.row) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (has, should_have) = (value(stored), value(should));
    fields
        .extend(should_have.iter().filter(|(name, value)| has.get(*name) != Some(value)).map(|(name, _)| name.clone()));
    let written = match entry {
        Entry::Ended(ended) => stored.result_at == ended.at,
        Entry::Buried(buried) => stored.letter_at == buried.at,
    };
    let further = [
        ("error", stored.error_more == should.error_more),
        ("trail", stored.trail == should.trail),
        ("written_at", written),
    ];
    fields.extend(further.into_iter().filter(|(_, same)| !same).map(|(name, _)| name.to_owned()));
    fields
}
