//! Listings in pages: a cursor is opaque to callers, and checked when it comes back.

use super::problem::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

/// Entries of a page where nobody says how many.
const LIMIT_DEFAULT: u32 = 50;
/// The most entries of a page.
pub const LIMIT_MAX: u32 = 500;
/// The longest cursor.
const CURSOR_LENGTH_MAX: usize = 1_024;

/// A page of a listing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What gives the next page as `after`; nothing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Where a page begins: a listing's own word, behind the listing's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub &'static str);

impl Cursor {
    /// The text of a cursor.
    pub fn text(self, place: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}:{place}", self.0))
    }

    /// Reads a cursor of this listing.
    pub fn read(self, text: Option<&str>) -> Result<Option<String>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let bad = || Problem::new(Code::BadCursor, "give `next` of the page before, as it is");
        if text.len() > CURSOR_LENGTH_MAX {
            return Err(bad());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let plain = String::from_utf8(bytes).map_err(|_| bad())?;
        let place = plain.strip_prefix(self.0).and_then(|rest| rest.strip_prefix(':')).ok_or_else(bad)?;
        Ok(Some(place.to_owned()))
    }

    /// A page of entries that are all at hand, in the order of their names.
    pub fn page<T>(
        self,
        all: Vec<T>,
        name: impl Fn(&T) -> String,
        asked: (Option<u32>, Option<&str>),
    ) -> Result<Page<T>, Problem> {
        let (limit, after) = (limit(asked.0)?, self.read(asked.1)?);
        let mut items: Vec<T> =
            all.into_iter().filter(|item| after.as_ref().is_none_or(|after| name(item) > *after)).collect();
        items.sort_by_key(&name);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| self.text(&name(last)));
        Ok(Page { items, next })
    }
}

/// How many entries a page has.
pub fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(LIMIT_DEFAULT);
    match (1..=LIMIT_MAX).contains(&limit) {
        true => Ok(usize::try_from(limit).unwrap_or(1)),
        false => Err(Problem::new(Code::BadRequest, format_args!("limit {limit} is not between 1 and {LIMIT_MAX}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_listing_once() {
        let cursor = Cursor("n");
        let all: Vec<String> = (0..7).map(|n| format!("n{n}")).collect();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = cursor.page(all.clone(), Clone::clone, (Some(3), after.as_deref())).unwrap();
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_cursor_of_another_listing_or_none_is_refused() {
        let long = "a".repeat(CURSOR_LENGTH_MAX + 1);
        let other = Cursor("m").text("x");
        for text in [other.as_str(), "", "!", "' OR 1=1 --", long.as_str(), "AAAA"] {
            assert_eq!(Cursor("n").read(Some(text)).unwrap_err().code, Code::BadCursor, "{text}");
        }
        assert_eq!(Cursor("n").read(Some(&Cursor("n").text("a:b"))).unwrap(), Some("a:b".to_owned()));
        assert_eq!(Cursor("n").read(None).unwrap(), None);
    }

    #[test]
    fn limits_are_held_to_their_bounds() {
        assert_eq!((limit(None).unwrap(), limit(Some(1)).unwrap(), limit(Some(500)).unwrap()), (50, 1, 500));
        assert!(limit(Some(0)).is_err() && limit(Some(501)).is_err());
    }
}
