//! How far each stream was read.

use crate::decode::Columns;
use crate::entry::{Advance, StreamCursor};
use crate::error::HistoryError;
use crate::sql::int;
use crate::store::Store;
use sqlx::{Any, Transaction};
use std::collections::HashMap;

impl Store {
    /// How far a stream was read; nothing where it never was.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn cursor(&self, stream: &str) -> Result<Option<StreamCursor>, HistoryError> {
        let mut sql = self.sql("SELECT created, sequence FROM lovage_cursors WHERE stream = ");
        sql.text(stream);
        self.first(sql).await?.map(|row| read(&mut Columns::new(&row))).transpose()
    }

    /// How far every stream was read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn cursors(&self) -> Result<HashMap<String, StreamCursor>, HistoryError> {
        let rows = self.all(self.sql("SELECT stream, created, sequence FROM lovage_cursors")).await?;
        let each = |row| {
            let mut columns = Columns::new(row);
            Ok((columns.text()?.unwrap_or_default(), read(&mut columns)?))
        };
        rows.iter().map(each).collect()
    }

    /// Has every stream read again from its beginning, which corrects rows that were changed and forgets none.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn reread(&self) -> Result<(), HistoryError> {
        self.in_write_time(async {
            let mut transaction = self.begin().await?;
            self.sql("DELETE FROM lovage_cursors").query().execute(&mut *transaction).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    pub(crate) async fn move_on(
        &self,
        transaction: &mut Transaction<'static, Any>,
        advance: &Advance,
    ) -> Result<(), HistoryError> {
        let mut sql = self.sql("SELECT created, sequence FROM lovage_cursors WHERE stream = ");
        sql.text(&advance.stream);
        let row = sql.query().fetch_optional(&mut **transaction).await?;
        let before = row.map(|row| read(&mut Columns::new(&row))).transpose()?;
        let after = advance.apply(before)?;
        let mut sql = match before {
            None => self.sql("INSERT INTO lovage_cursors (created, sequence, stream) VALUES ("),
            Some(_) => self.sql("UPDATE lovage_cursors SET created = "),
        };
        let (between, name, end) =
            if before.is_none() { (", ", ", ", ")") } else { (", sequence = ", " WHERE stream = ", "") };
        sql.int(int(after.created.0)).push(between).int(int(after.sequence)).push(name).text(&advance.stream).push(end);
        sql.query().execute(&mut **transaction).await?;
        Ok(())
    }

    pub(crate) async fn forget_cursors(
        &self,
        transaction: &mut Transaction<'static, Any>,
        streams: &[String],
    ) -> Result<(), HistoryError> {
        let mut sql = self.sql("DELETE FROM lovage_cursors WHERE stream IN ");
        sql.list(streams.iter().map(String::as_str));
        sql.query().execute(&mut **transaction).await?;
        Ok(())
    }
}

fn read(columns: &mut Columns<'_>) -> Result<StreamCursor, HistoryError> {
    Ok(StreamCursor { created: columns.time()?, sequence: columns.uint()? })
}
