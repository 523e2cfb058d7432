//! `lovage tenant list`.

use super::super::connection::ConnectionArgs;
use super::super::task::when;
use super::super::{Exit, Failure, Output};
use super::show::{as_json, signs_in};
use super::{open, told};

pub(super) async fn main(connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let (_, records) = open(connection).await?;
    let records = records.all().await.map_err(told)?;
    if output.json {
        return output.value(&records.iter().map(as_json).collect::<Vec<_>>()).map(|()| Exit::Done);
    }
    if records.is_empty() {
        output.note("no tenants");
        return Ok(Exit::Done);
    }
    let rows = records.iter().map(|record| {
        vec![record.tenant.to_string(), record.weight.to_string(), signs_in(&record.access), when(record.created)]
    });
    output.table(&["TENANT", "WEIGHT", "SIGNS IN", "CREATED"], rows.collect())?;
    Ok(Exit::Done)
}
