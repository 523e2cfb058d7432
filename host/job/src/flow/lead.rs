//! Where a job leads to and where it comes from, as its headers say.

use super::group::GroupPlace;
use super::spec::{FlowError, Target, chain_from_text};
use crate::decode::DecodeError;
use crate::header::{self, Headers};
use crate::name::JobId;

/// How many jobs may lead to one, one by another. A cycle of callbacks ends there.
pub const DEPTH_MAX: u32 = 32;

/// Every header that is read here.
const OF_FLOW: [&str; 7] = [
    header::ON_SUCCESS,
    header::ON_FAILURE,
    header::ON_DEAD,
    header::THEN,
    header::PARENT,
    header::DEPTH,
    header::GROUP,
];

/// Where a job leads to and where it comes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flow {
    /// What runs once it has completed.
    pub on_success: Option<Target>,
    /// What runs once it has ended without completing, for whatever reason.
    pub on_failure: Option<Target>,
    /// What runs once it has become a dead letter.
    pub on_dead: Option<Target>,
    /// The rest of its chain.
    pub then: Vec<Target>,
    /// The job that submitted it.
    pub parent: Option<JobId>,
    /// How many jobs led to it.
    pub depth: u32,
    /// The group that it is a member of.
    pub group: Option<GroupPlace>,
}

impl Flow {
    /// Reads the headers of job `id`; nothing where none of them is there, which costs no more than a look.
    pub fn read(headers: &Headers, id: &JobId) -> Result<Option<Box<Self>>, DecodeError> {
        let of_flow = |name: &str| header::is_lovages(name) && OF_FLOW.iter().any(|of| of.eq_ignore_ascii_case(name));
        if !headers.iter().any(|(name, _)| of_flow(name)) {
            return Ok(None);
        }
        let depth = depth(headers)?;
        if depth > DEPTH_MAX {
            let reason = format!("{depth} jobs led to this one, more than {DEPTH_MAX}; look for a cycle of callbacks");
            return Err(bad(header::DEPTH, FlowError(reason)));
        }
        Ok(Some(Box::new(Self {
            on_success: target(headers, header::ON_SUCCESS)?,
            on_failure: target(headers, header::ON_FAILURE)?,
            on_dead: target(headers, header::ON_DEAD)?,
            then: single(headers, header::THEN)?
                .map_or(Ok(Vec::new()), chain_from_text)
                .map_err(named(header::THEN))?,
            parent: parent(headers)?,
            depth,
            group: group(headers, id)?,
        })))
    }

    /// What can be read of a message that is no job: whoever waits for its failure shall hear of it. A message that is
    /// refused because too many jobs led to it leads to none, which is what ends a cycle.
    pub fn of_undecodable(headers: &Headers, id: &JobId) -> Option<Box<Self>> {
        let depth = depth(headers).unwrap_or(DEPTH_MAX + 1);
        let readable = |name| target(headers, name).ok().flatten().filter(|_| depth <= DEPTH_MAX);
        let flow = Self {
            on_failure: readable(header::ON_FAILURE),
            on_dead: readable(header::ON_DEAD),
            depth,
            group: group(headers, id).ok().flatten(),
            ..Self::default()
        };
        flow.leads_on().then(|| Box::new(flow))
    }

    /// Whether anything is to be done when the job has ended.
    pub fn leads_on(&self) -> bool {
        self.on_success.is_some()
            || self.on_failure.is_some()
            || self.on_dead.is_some()
            || !self.then.is_empty()
            || self.group.is_some()
    }
}

fn bad(name: &'static str, error: FlowError) -> DecodeError {
    DecodeError::BadHeader { name, reason: error.0 }
}

fn named(name: &'static str) -> impl Fn(FlowError) -> DecodeError {
    move |error| bad(name, error)
}

/// The one value of a header; a second one would be dropped without a word.
fn single<'a>(headers: &'a Headers, name: &'static str) -> Result<Option<&'a str>, DecodeError> {
    let mut values = headers.all(name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(bad(name, FlowError("it is there more than once; give it once".to_owned()))),
        (value, None) => Ok(value),
    }
}

fn target(headers: &Headers, name: &'static str) -> Result<Option<Target>, DecodeError> {
    single(headers, name)?.map(|text| text.parse().map_err(named(name))).transpose()
}

fn parent(headers: &Headers) -> Result<Option<JobId>, DecodeError> {
    let parsed = |text: &str| text.parse().map_err(|error: crate::name::NameError| FlowError(error.to_string()));
    headers.get(header::PARENT).map(|text| parsed(text).map_err(named(header::PARENT))).transpose()
}

fn depth(headers: &Headers) -> Result<u32, DecodeError> {
    let Some(text) = headers.get(header::DEPTH) else { return Ok(0) };
    let short: String = text.chars().take(60).collect();
    let error = || bad(header::DEPTH, FlowError(format!("{short:?} is not a whole number from 0")));
    text.parse().map_err(|_| error())
}

fn group(headers: &Headers, id: &JobId) -> Result<Option<GroupPlace>, DecodeError> {
    let Some(text) = single(headers, header::GROUP)? else { return Ok(None) };
    let place: GroupPlace = text.parse().map_err(named(header::GROUP))?;
    let member = place.member();
    if member != *id {
        let reason = format!("job {id} is not member {} of group {}, which is {member}", place.index, place.group);
        return Err(bad(header::GROUP, FlowError(reason)));
    }
    Ok(Some(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Box<Flow>>, DecodeError> {
        Flow::read(&pairs.iter().copied().collect(), &"g_3".parse().unwrap())
    }

    #[test]
    fn a_job_without_these_headers_leads_nowhere() {
        assert_eq!(read(&[("Lovage-Retries", "2"), ("X", "y")]).unwrap(), None);
    }

    #[test]
    fn headers_say_where_a_job_leads_to() {
        let flow = read(&[
            ("lovage-on-success", "a"),
            ("Lovage-On-Dead", "https://example.com/"),
            ("Lovage-Then", "[\"b\",\"c\"]"),
            ("Lovage-Parent", "p"),
            ("Lovage-Depth", "32"),
            ("Lovage-Group", "g/3"),
        ]);
        let flow = flow.unwrap().unwrap();
        assert_eq!((flow.then.len(), flow.depth, flow.leads_on()), (2, 32, true));
        assert_eq!(flow.group.unwrap().index, 3);
    }

    #[test]
    fn bad_headers_are_refused_by_name() {
        for (name, value, reason) in [
            ("Lovage-Depth", "33", "more than 32"),
            ("Lovage-Depth", "-1", "whole number"),
            ("Lovage-Depth", "99999999999999", "whole number"),
            ("Lovage-Parent", "a.b", "job id"),
            ("Lovage-Group", "g", "<group>/<index>"),
            ("Lovage-Group", "g/4", "g_4"),
            ("Lovage-Group", "g/10000", "9999"),
            ("Lovage-Group", "g/-3", "<group>/<index>"),
            ("Lovage-On-Success", "A", "task"),
            ("Lovage-On-Failure", "gopher://a", "http"),
            ("Lovage-Then", "[1]", "JSON"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(reason), "{name}: {value}: {error}");
        }
        assert!(read(&[("Lovage-On-Dead", "a"), ("Lovage-On-Dead", "b")]).is_err());
    }

    #[test]
    fn what_is_too_deep_leads_to_nothing_more() {
        let of = |depth: &str| {
            let headers =
                [("Lovage-Depth", depth), ("Lovage-On-Failure", "a"), ("Lovage-Timeout", "x")].into_iter().collect();
            Flow::of_undecodable(&headers, &"j".parse().unwrap())
        };
        assert!(of("32").unwrap().on_failure.is_some());
        assert_eq!((of("33"), of("x")), (None, None));
    }
}
