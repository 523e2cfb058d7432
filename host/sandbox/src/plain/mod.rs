//! Plain values: the types of a function that takes and gives data and no resources, their JSON form and its schema.
//!
//! The types here are our own, so that they can be read from the bytes of a component without an engine as well as
//! from a compiled one.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod from_binary;
pub(crate) mod from_engine;
pub(crate) mod number;
pub(crate) mod parts;
pub(crate) mod schema;
pub(crate) mod signature;
pub(crate) mod types;
pub(crate) mod value;
