//! The two attributes that `lovage-task` re-exports; use them from there.
//!
//! The macros only parse, check and wrap. What happens at run time lives in `lovage-task`, so the code they
//! emit is small and the same for every task. They name that crate as `::lovage_task`, so a dependent must not
//! rename it.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod expand;
mod names;
mod options;
mod payload;
mod signature;
mod units;

use proc_macro::TokenStream;

/// Makes a function a Lovage task. See `lovage_task::task`.
#[proc_macro_attribute]
pub fn task(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::task(options.into(), function.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives what a JSON input or output needs. See `lovage_task::payload`.
#[proc_macro_attribute]
pub fn payload(options: TokenStream, item: TokenStream) -> TokenStream {
    payload::payload(&options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
