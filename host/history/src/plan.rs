//! How a listing goes: along one index, within a bound.
//!
//! Each listing follows one index from a place on, and looks at a bounded number of its entries; what the index does not
//! know of the filter is checked on these rows alone. The index is named to the engines that can be told. So there is no
//! filter that makes a database read everything, however rare what it looks for is.

use crate::filter::{JobFilter, Scope};
use crate::page::{Cursor, Order};
use crate::sql::{Engine, Sql, int};
use crate::write::class;
use lovage_job::outcome::OutcomeKind;

/// An index, with what is given of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    All,
    Finished,
    Task,
    Class(i64),
    Tag,
    Id,
}

/// The plan of a listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) index: Index,
    scope: &'a Scope,
    filter: &'a JobFilter,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(scope: &'a Scope, filter: &'a JobFilter) -> Self {
        let failed = !filter.outcomes.is_empty() && !filter.outcomes.contains(&OutcomeKind::Completed);
        let index = match scope {
            Scope::All => Index::All,
            Scope::Tenant(_) if filter.id_prefix.is_some() => Index::Id,
            Scope::Tenant(_) if filter.tag.is_some() => Index::Tag,
            Scope::Tenant(_) if failed || filter.dead == Some(true) => Index::Class(class(OutcomeKind::Failed)),
            Scope::Tenant(_) if filter.task.is_some() => Index::Task,
            Scope::Tenant(_) if filter.outcomes == [OutcomeKind::Completed] => {
                Index::Class(class(OutcomeKind::Completed))
            }
            Scope::Tenant(_) => Index::Finished,
        };
        Self { index, scope, filter }
    }

    pub(crate) fn order(&self) -> Order {
        if self.index == Index::Id { Order::Id } else { Order::Finished }
    }

    /// ` FROM …`: the jobs, along the index.
    pub(crate) fn jobs(&self, engine: Engine) -> &'static str {
        match (engine, self.index) {
            (Engine::Sqlite, Index::All) => " FROM lovage_jobs AS j INDEXED BY lovage_jobs_all",
            (Engine::Sqlite, Index::Finished) => " FROM lovage_jobs AS j INDEXED BY lovage_jobs_finished",
            (Engine::Sqlite, Index::Task) => " FROM lovage_jobs AS j INDEXED BY lovage_jobs_task",
            (Engine::Sqlite, Index::Class(_)) => " FROM lovage_jobs AS j INDEXED BY lovage_jobs_class",
            (Engine::Mysql, Index::All) => " FROM lovage_jobs AS j FORCE INDEX (lovage_jobs_all)",
            (Engine::Mysql, Index::Finished) => " FROM lovage_jobs AS j FORCE INDEX (lovage_jobs_finished)",
            (Engine::Mysql, Index::Task) => " FROM lovage_jobs AS j FORCE INDEX (lovage_jobs_task)",
            (Engine::Mysql, Index::Class(_)) => " FROM lovage_jobs AS j FORCE INDEX (lovage_jobs_class)",
            (Engine::Mysql, Index::Id) => " FROM lovage_jobs AS j FORCE INDEX (PRIMARY)",
            (Engine::Sqlite, Index::Tag) => {
                " FROM lovage_tags AS t CROSS JOIN lovage_jobs AS j ON j.tenant = t.tenant AND j.id = t.id"
            }
            (Engine::Mysql, Index::Tag) => {
                " FROM lovage_tags AS t STRAIGHT_JOIN lovage_jobs AS j ON j.tenant = t.tenant AND j.id = t.id"
            }
            (Engine::Postgres, Index::Tag) => {
                " FROM lovage_tags AS t JOIN lovage_jobs AS j ON j.tenant = t.tenant AND j.id = t.id"
            }
            (Engine::Sqlite, Index::Id) | (Engine::Postgres, _) => " FROM lovage_jobs AS j",
        }
    }

    /// As [`Self::jobs`], where the columns of the index alone are looked at.
    pub(crate) fn along(&self, engine: Engine) -> &'static str {
        if self.index == Index::Tag { " FROM lovage_tags AS t" } else { self.jobs(engine) }
    }

    /// The columns that tell the place: when it ended, whose it is, and the id.
    pub(crate) fn place(&self) -> &'static str {
        if self.index == Index::Tag { "t.finished, t.tenant, t.id" } else { "j.finished, j.tenant, j.id" }
    }

    fn finished(&self) -> &'static str {
        if self.index == Index::Tag { "t.finished" } else { "j.finished" }
    }

    fn id(&self) -> &'static str {
        if self.index == Index::Tag { "t.id" } else { "j.id" }
    }

    /// ` ORDER BY …`: backwards along the index.
    pub(crate) fn backwards(&self) -> &'static str {
        match self.index {
            Index::All => " ORDER BY j.finished DESC, j.tenant DESC, j.id DESC",
            Index::Tag => " ORDER BY t.finished DESC, t.id DESC",
            Index::Id => " ORDER BY j.id DESC",
            Index::Finished | Index::Task | Index::Class(_) => " ORDER BY j.finished DESC, j.id DESC",
        }
    }

    /// ` WHERE …`: the stretch of the index that the filter is about.
    pub(crate) fn stretch(&self, sql: &mut Sql) {
        let tenant = match self.scope {
            Scope::Tenant(tenant) => tenant.as_str(),
            Scope::All => "",
        };
        let text = |name: Option<&str>| name.unwrap_or_default().to_owned();
        match self.index {
            Index::All => {
                sql.push(" WHERE 1 = 1");
            }
            Index::Finished => {
                sql.push(" WHERE j.tenant = ").text(tenant);
            }
            Index::Task => {
                let task = text(self.filter.task.as_ref().map(AsRef::as_ref));
                sql.push(" WHERE j.tenant = ").text(tenant).push(" AND j.task = ").text(&task);
            }
            Index::Class(class) => {
                sql.push(" WHERE j.tenant = ").text(tenant).push(" AND j.class = ").int(class);
            }
            Index::Tag => {
                let tag = text(self.filter.tag.as_deref());
                sql.push(" WHERE t.tenant = ").text(tenant).push(" AND t.tag = ").text(&tag);
            }
            Index::Id => {
                sql.push(" WHERE j.tenant = ").text(tenant);
                with_prefix(sql, &text(self.filter.id_prefix.as_deref()));
            }
        }
        if self.index != Index::Id {
            self.times(sql);
        }
    }

    fn times(&self, sql: &mut Sql) {
        if let Some(from) = self.filter.finished_from {
            sql.push(" AND ").push(self.finished()).push(" >= ").int(int(from.0));
        }
        if let Some(to) = self.filter.finished_to {
            sql.push(" AND ").push(self.finished()).push(" < ").int(int(to.0));
        }
    }

    /// ` AND …`: only what comes after a place, which is what lies before it in the index.
    pub(crate) fn after(&self, sql: &mut Sql, place: &Cursor) {
        let (finished, id) = (self.finished(), self.id());
        if self.index == Index::Id {
            sql.push(" AND ").push(id).push(" < ").text(place.id.as_str());
            return;
        }
        // not as a comparison of pairs, for which one of the engines reads the whole index
        sql.push(" AND ").push(finished).push(" <= ").int(place.finished);
        sql.push(" AND (").push(finished).push(" < ").int(place.finished);
        if self.index == Index::All {
            sql.push(" OR j.tenant < ").text(place.tenant.as_str());
            sql.push(" OR (j.tenant = ").text(place.tenant.as_str()).push(" AND j.id < ").text(place.id.as_str());
            sql.push("))");
        } else {
            sql.push(" OR ").push(id).push(" < ").text(place.id.as_str()).push(")");
        }
    }

    /// ` AND …`: nothing that comes after a place.
    pub(crate) fn until(&self, sql: &mut Sql, place: &Cursor) {
        let (finished, id) = (self.finished(), self.id());
        if self.index == Index::Id {
            sql.push(" AND ").push(id).push(" >= ").text(place.id.as_str());
            return;
        }
        sql.push(" AND ").push(finished).push(" >= ").int(place.finished);
        sql.push(" AND (").push(finished).push(" > ").int(place.finished);
        if self.index == Index::All {
            sql.push(" OR j.tenant > ").text(place.tenant.as_str());
            sql.push(" OR (j.tenant = ").text(place.tenant.as_str()).push(" AND j.id >= ").text(place.id.as_str());
            sql.push("))");
        } else {
            sql.push(" OR ").push(id).push(" >= ").text(place.id.as_str()).push(")");
        }
    }

    /// ` AND …`: what is checked on each row. Returns whether there is anything.
    pub(crate) fn checks(&self, sql: &mut Sql) -> bool {
        let filter = self.filter;
        let mut any = false;
        let mut equal = |column: &'static str, value: Option<&str>, given: bool| {
            if let Some(value) = value.filter(|_| !given) {
                sql.push(" AND ").push(column).push(" = ").text(value);
                any = true;
            }
        };
        equal("j.task", filter.task.as_ref().map(AsRef::as_ref), self.index == Index::Task);
        equal("j.queue", filter.queue.as_ref().map(AsRef::as_ref), false);
        equal("j.version", filter.version.as_ref().map(AsRef::as_ref), false);
        equal("j.digest", filter.digest.as_ref().map(AsRef::as_ref), false);
        equal("j.worker", filter.worker.as_deref(), false);
        let class_says_all = self.index == Index::Class(class(OutcomeKind::Completed));
        if !filter.outcomes.is_empty() && !class_says_all {
            sql.push(" AND j.outcome IN ").list(filter.outcomes.iter().map(|outcome| outcome.as_str()));
            any = true;
        }
        if let Some(dead) = filter.dead {
            sql.push(" AND j.dead = ").int(i64::from(dead));
            any = true;
        }
        if let Some(than) = filter.slower_than {
            sql.push(" AND j.wall_us > ").int(i64::try_from(than.as_micros()).unwrap_or(i64::MAX));
            any = true;
        }
        if let Some(text) = &filter.error_text {
            let find = if sql.engine == Engine::Postgres { "strpos" } else { "instr" };
            sql.push(" AND ").push(find).push("(j.error_message, ").text(text).push(") > 0");
            any = true;
        }
        self.further_checks(sql) || any
    }

    /// What an index knows in one scope and not in the other.
    fn further_checks(&self, sql: &mut Sql) -> bool {
        let mut any = false;
        if let Some(tag) = self.filter.tag.as_deref().filter(|_| self.index != Index::Tag) {
            sql.push(" AND EXISTS (SELECT 1 FROM lovage_tags AS l WHERE l.tenant = j.tenant AND l.tag = ").text(tag);
            sql.push(" AND l.finished = j.finished AND l.id = j.id)");
            any = true;
        }
        if let Some(prefix) = self.filter.id_prefix.as_deref().filter(|_| self.index != Index::Id) {
            with_prefix(sql, prefix);
            any = true;
        }
        if self.index == Index::Id && (self.filter.finished_from.is_some() || self.filter.finished_to.is_some()) {
            self.times(sql);
            any = true;
        }
        any
    }
}

/// The ids that begin so: no character of an id comes after `~`.
fn with_prefix(sql: &mut Sql, prefix: &str) {
    sql.push(" AND j.id >= ").text(prefix).push(" AND j.id < ").text(&format!("{prefix}~"));
}
