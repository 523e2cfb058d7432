//! The answers of routes that do not do what was asked, for the description of the API.

use crate::http::problem::{Code, ProblemBody};
use std::collections::BTreeMap;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// What every route may answer.
const ALL: [Code; 14] = [
    Code::BadRequest,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::CrossSite,
    Code::WrongHost,
    Code::NotFound,
    Code::NoMethod,
    Code::RateLimited,
    Code::TooMany,
    Code::Overloaded,
    Code::BrokerUnavailable,
    Code::HistoryUnavailable,
    Code::NotInTime,
    Code::Internal,
];

/// What a listing may answer beside.
const LISTS: [Code; 1] = [Code::BadCursor];

/// What a route that changes something may answer beside.
const CHANGES: [Code; 10] = [
    Code::BadBody,
    Code::BadInput,
    Code::BadComponent,
    Code::WrongType,
    Code::TooLarge,
    Code::TooSlow,
    Code::Conflict,
    Code::Quota,
    Code::KeyInUse,
    Code::KeyReused,
];

/// Of a route that reads.
pub struct Reads;

/// Of a route that changes something.
pub struct Changes;

impl IntoResponses for Reads {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described(ALL.iter().chain(&LISTS))
    }
}

impl IntoResponses for Changes {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described(ALL.iter().chain(&CHANGES))
    }
}

fn described<'a>(codes: impl Iterator<Item = &'a Code>) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status().as_u16().to_string()).or_default().push(*code);
    }
    let content = || ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    let one = |(status, codes): (String, Vec<Code>)| {
        let told: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
        let response =
            ResponseBuilder::new().description(told.join("; ")).content("application/problem+json", content());
        (status, RefOr::T(response.build()))
    };
    by_status.into_iter().map(one).collect()
}
