//! Pages of a listing, and the place where the next one begins.

use lovage_job::name::{JobId, TenantName};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// The most jobs of a page.
pub(crate) const LIMIT_MAX: u32 = 500;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Jobs, 1 to 500; others are taken for the nearest of these.
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page<T> {
    /// What is on it. It may be less than was asked for, and even nothing, while there is a next page: a search goes
    /// through so much at once and no more.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// What a listing is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By the time of the end.
    Finished,
    /// By the id.
    Id,
}

/// A place in a listing. Its text is not for reading, and holds nothing that its reader may not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) order: Order,
    pub(crate) finished: i64,
    pub(crate) tenant: TenantName,
    pub(crate) id: JobId,
}

/// A text that is no place in a listing, or one of another listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no place in this listing; take the one that came with the page before, or begin anew")]
pub struct CursorError {
    value: String,
}

impl Cursor {
    /// This place, where it is one of a listing in `order`.
    pub(crate) fn checked(&self, order: Order) -> Result<&Self, CursorError> {
        if self.order == order { Ok(self) } else { Err(CursorError { value: self.to_string() }) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::Finished => 'f',
            Order::Id => 'i',
        };
        write!(f, "{order}{:x}.{}.{}", self.finished, self.tenant, self.id)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        read(text).ok_or_else(|| CursorError { value: text.chars().take(120).collect() })
    }
}

fn read(text: &str) -> Option<Cursor> {
    let order = match text.chars().next()? {
        'f' => Order::Finished,
        'i' => Order::Id,
        _ => return None,
    };
    let mut parts = text.get(1..)?.split('.');
    let finished = parts.next()?;
    let plain = !finished.is_empty() && finished.bytes().all(|b| b.is_ascii_hexdigit());
    let finished = plain.then(|| i64::from_str_radix(finished, 16).ok()).flatten()?;
    let cursor = Cursor { order, finished, tenant: parts.next()?.parse().ok()?, id: parts.next()?.parse().ok()? };
    parts.next().is_none().then_some(cursor)
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        let text = "f19a0b.acme.Job_1-x";
        let cursor: Cursor = text.parse().unwrap();
        assert_eq!((cursor.finished, cursor.tenant.as_str(), cursor.id.as_str()), (0x19a0b, "acme", "Job_1-x"));
        assert_eq!(cursor.to_string(), text);
        cursor.checked(Order::Finished).unwrap();
        assert!(cursor.checked(Order::Id).unwrap_err().to_string().contains(text));
    }

    #[test]
    fn other_texts_are_refused_by_name() {
        for bad in [
            "",
            "f",
            "f.a.b",
            "f-1.a.b",
            "f+1.a.b",
            "fffffffffffffffffff.a.b",
            "x1.a.b",
            "f1.a",
            "f1.A.b",
            "f1.a.b c",
            "f1.a.b.c",
            "f1.a.'; DROP TABLE lovage_jobs --",
            "é1.a.b",
        ] {
            let told = bad.parse::<Cursor>().unwrap_err().to_string();
            assert!(told.contains("is no place in this listing"), "{bad}: {told}");
        }
    }
}
