//! The signature of a plain function and the forms in which its input and output travel.
//!
//! A function of exactly one `list<u8>` takes the payload as it is; a function that gives `list<u8>`, or a result with
//! that as its good case, gives its result as it is. Everything else is JSON. The good case of an outermost result is
//! the output; its bad case makes the job fail.

use crate::plain::schema;
use crate::plain::types::PlainType;
use lovage_job::catalog::{BodyType, Encoding};

/// Parameters and result of a plain function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) params: Vec<(String, PlainType)>,
    pub(crate) result: Option<PlainType>,
}

/// How a function is called without going through single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FastPath {
    /// `func(list<u8>) -> list<u8>`
    Bytes,
    /// `func(list<u8>) -> string`
    Text,
    /// `func(list<u8>) -> result<list<u8>>`
    BytesOrNothing,
    /// `func(list<u8>) -> result<list<u8>, string>`
    BytesOrText,
    /// `func(list<u8>) -> result<string, string>`
    TextOrText,
}

impl Signature {
    /// True where the payload itself is the argument.
    pub(crate) fn takes_bytes(&self) -> bool {
        matches!(self.params.as_slice(), [(_, PlainType::Bytes)])
    }

    /// The type of the output, without an outermost result.
    pub(crate) fn output(&self) -> Option<&PlainType> {
        match &self.result {
            Some(PlainType::Result(good, _)) => good.as_deref(),
            other => other.as_ref(),
        }
    }

    /// True where the returned bytes themselves are the output.
    pub(crate) fn gives_bytes(&self) -> bool {
        self.output() == Some(&PlainType::Bytes)
    }

    /// The fast path of this signature, where there is one.
    pub(crate) fn fast_path(&self) -> Option<FastPath> {
        if !self.takes_bytes() {
            return None;
        }
        match self.result.as_ref()? {
            PlainType::Bytes => Some(FastPath::Bytes),
            PlainType::String => Some(FastPath::Text),
            PlainType::Result(good, bad) => match (good.as_deref(), bad.as_deref()) {
                (Some(PlainType::Bytes), None) => Some(FastPath::BytesOrNothing),
                (Some(PlainType::Bytes), Some(PlainType::String)) => Some(FastPath::BytesOrText),
                (Some(PlainType::String), Some(PlainType::String)) => Some(FastPath::TextOrText),
                _ => None,
            },
            _ => None,
        }
    }

    /// What the function takes, for the catalogue.
    pub(crate) fn input_body(&self) -> BodyType {
        if self.takes_bytes() {
            return BodyType::BYTES;
        }
        BodyType { encoding: Encoding::Json, schema: Some(schema::of_input(&self.params)) }
    }

    /// What the function gives, for the catalogue.
    pub(crate) fn output_body(&self) -> BodyType {
        if self.gives_bytes() {
            return BodyType::BYTES;
        }
        BodyType { encoding: Encoding::Json, schema: Some(schema::of_output(self.output())) }
    }
}
